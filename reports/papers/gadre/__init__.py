"""arXiv 2403.08540 refitted."""
