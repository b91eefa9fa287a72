"""arXiv 2506.12119 refitted."""
