"""Training one run. Every module here imports torch; other rooms import these modules only when a run starts."""
