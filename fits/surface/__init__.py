"""Laws of several columns: the objective, its minimiser, profiles and the bootstrap."""
