"""One run in one worker: its attempts, its processes, and the scheduler's notice."""
