"""Laws against laws, and arms against arms."""
