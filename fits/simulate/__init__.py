"""Losses simulated from a known truth, and how often an interval covers it."""
