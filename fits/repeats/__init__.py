"""Repeated data against fresh data: pairs of runs, equivalence tests, and what follows."""
