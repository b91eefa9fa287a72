"""arXiv 2406.19146 refitted."""
