"""arXiv 2305.16264 refitted."""
