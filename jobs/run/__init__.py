"""One run in one worker: its lock, its attempts, its processes, and the signals that end its job."""
