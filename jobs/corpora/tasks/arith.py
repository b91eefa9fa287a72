"""arith: numbers modulo m, with plus, minus and times."""

import numpy as np

from jobs.corpora.tasks.chains import Task


class Arith(Task):
    """States are the numbers 0 … m - 1, and value names are not permuted."""

    number = 0

    def rules(self, generator: np.random.Generator) -> np.ndarray:
        """Return s + y, s - y and s * y modulo m."""
        m = self.options.values
        s, y = np.arange(m)[:, None], self.operand_numbers()[None, :]
        return np.stack([(s + y) % m, (s - y) % m, (s * y) % m])

    def state_words(self) -> list[str]:
        """Return the numbers."""
        return list(map(str, range(self.options.values)))

    def step_words(self) -> list[list[str]]:
        """Return plus 3, minus 3, times 3."""
        return [[f"{word} {y}" for y in self.operand_numbers()] for word in ("plus", "minus", "times")]
