"""Shapes that are equal in parameters or in FLOPs, and what counts as equal."""
