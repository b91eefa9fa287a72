"""Movement of the optimum with budget and size."""
