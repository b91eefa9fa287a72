"""logic: subsets of log2 m objects; the steps are nested quantifiers over a finite model of random relations."""

import numpy as np

from jobs.corpora.tasks.chains import Options, Task
from planners.records.errors import UsageError

DENSITY = 0.5
"""Share of the pairs of objects that a relation holds for."""


class Logic(Task):
    """State number s is the set of the objects whose bit is set in s."""

    number = 1

    def __init__(self, options: Options):
        if options.values & (options.values - 1):
            raise UsageError(f"values={options.values} of logic is not a power of two; give 16, 32 or 64")
        self.objects = options.values.bit_length() - 1
        super().__init__(options)

    def rules(self, generator: np.random.Generator) -> np.ndarray:
        """Return {a: R(a, b) for all, for some, for no b in S}."""
        m, bits = self.options.values, 1 << np.arange(self.objects)
        relation = generator.random((self.options.operands, self.objects, self.objects)) < DENSITY
        inside = (np.arange(m)[:, None] & bits) > 0  # (states, objects b)
        holds = relation[None] & inside[:, None, None]  # (states, operands, a, b): b is in S and R(a, b)
        some = holds.any(-1)
        every = (relation[None] | ~inside[:, None, None]).all(-1)
        return np.stack([(found * bits).sum(-1) for found in (every, some, ~some)])

    def state_words(self) -> list[str]:
        """Return the sets: {a, c}."""
        letters = [chr(ord("a") + place) for place in range(self.objects)]
        return [
            "{" + ", ".join(letter for place, letter in enumerate(letters) if state >> place & 1) + "}"
            for state in range(self.options.values)
        ]

    def step_words(self) -> list[list[str]]:
        """Return the objects that stand in relation 2 to all of it."""
        return [
            [f"the objects in relation {y} to {word} of it" for y in range(self.options.operands)]
            for word in ("all", "some", "none")
        ]
