"""Comparison of laws with each other, and of arms with each other."""
