"""arXiv 2203.15556 refitted."""
