"""The headings of the page in reading order; each figure and table names the one under which it is shown."""

CLAIMS = "Sentence by sentence"
MINIMA = "Where the loss is lowest, by curve"
DENSE = "Where MoE beats dense"
REDRAWN = "Its figures, redrawn"
GRANULARITY = "Granularity is confounded with the rate"
LEARNING_RATES = "Learning rates do not follow one rule"
REUSE = "What repeated data cost"
ABLATIONS = "Architecture and benchmarks"
RUNS = "Its runs, with our counts and curves"

HEADINGS = (CLAIMS, MINIMA, DENSE, REDRAWN, GRANULARITY, LEARNING_RATES, REUSE, ABLATIONS, RUNS)
