"""The parts of any page: text, tables, figures, HTML and Markdown."""
