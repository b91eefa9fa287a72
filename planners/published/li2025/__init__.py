"""arXiv 2506.12119: runs, ablations, downstream scores. `SOURCE.md` states their source."""
