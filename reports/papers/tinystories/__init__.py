"""A small TinyStories study refitted."""
