"""arXiv 2202.01169 refitted."""
