"""Training one run. Every module here imports torch; nothing outside imports them before a run starts."""
