"""The figures of arXiv 2506.12119."""
