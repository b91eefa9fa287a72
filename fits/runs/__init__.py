"""The table of runs that every fit reads: files, budgets, series, and the runs that one curve is fitted to."""
