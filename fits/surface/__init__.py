"""Laws of several columns: objective, search for the minimum, identifiability and bootstrap."""
