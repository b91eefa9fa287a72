"""The page of any fitted table of runs: its answer, figures, checks, and every row with what was left out."""
