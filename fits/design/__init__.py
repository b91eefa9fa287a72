"""Which runs to make next: the runs that shrink most what a study still does not know."""
