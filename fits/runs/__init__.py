"""The table of runs that every fit reads, and the series in it."""
