"""Repeated data compared with fresh data: pairs of runs, equivalence tests, and the cost of repetition."""
