"""A sweep of many runs: which are missing, packed into jobs, submitted once, watched until they have ended."""
