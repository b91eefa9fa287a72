"""Loss against activation rate: fitted curves, their minimum, and its interval."""
