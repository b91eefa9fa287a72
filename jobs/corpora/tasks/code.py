"""code: a variable v in 0 … m - 1, and three small programs with a loop or a branch."""

import numpy as np

from jobs.corpora.tasks.chains import Task


class Code(Task):
    """The programs are `while v > y`, `if v < y` and `for _ in range(y)`."""

    number = 2

    def rules(self, generator: np.random.Generator) -> np.ndarray:
        """Return v after each program; a result above m - 1 is taken modulo m."""
        m, numbers = self.options.values, self.operand_numbers()
        v, y = np.arange(m)[:, None], numbers[None, :]
        subtracted = v % (y + 1)
        branched = np.where(v < y, v + y, v - y) % m
        stepped = np.where(np.arange(m) % 2 == 0, (3 * np.arange(m) + 1) % m, (np.arange(m) + 5) % m)
        looped = np.empty((m, len(numbers)), dtype=np.int64)
        for place, times in enumerate(numbers):
            after = np.arange(m)
            for _ in range(int(times)):
                after = stepped[after]
            looped[:, place] = after
        return np.stack([subtracted, branched, looped])

    def state_words(self) -> list[str]:
        """Return the values of the variable."""
        return [f"v = {value}" for value in range(self.options.values)]

    def step_words(self) -> list[list[str]]:
        """Return the programs."""
        m = self.options.values
        programs = (
            "while v > {y}: v -= {next}",
            "if v < {y}: v += {y} else: v -= {y}",
            "for _ in range({y}): v = (3 v + 1) % {m} if v even else (v + 5) % {m}",
        )
        return [[program.format(y=y, next=y + 1, m=m) for y in self.operand_numbers()] for program in programs]
