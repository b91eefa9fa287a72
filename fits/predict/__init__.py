"""Predictions of fitted and published laws at a named N, D, C and r_a, inside the runs and beyond them."""
