"""entail: what is known of a thing, as a class of a taxonomy; steps add, widen or deny."""

import numpy as np

from jobs.corpora.tasks.chains import Task

CONTRADICTION, THING = 0, 1


class Entail(Task):
    """Class c > 1 of the taxonomy is a kind of class c // 2 (a binary tree below thing); 0 is the contradiction."""

    number = 3

    def rules(self, generator: np.random.Generator) -> np.ndarray:
        """Return the class after "it is a y", "it is that or a y" and "it is not a y"."""
        m, classes = self.options.values, self.classes()
        table = np.empty((3, m, len(classes)), dtype=np.int64)
        for s in range(m):
            for place, y in enumerate(classes):
                table[:, s, place] = meet(s, y), join(s, y), deny(s, y, m)
        return table

    def classes(self) -> list[int]:
        """Return the class that each operand names: a frozen draw of those below thing."""
        below = self.generator(4).permutation(np.arange(2, self.options.values))
        return [int(below[place % len(below)]) for place in range(self.options.operands)]

    def state_words(self) -> list[str]:
        """Return contradiction, thing, and the kinds below it."""
        return ["contradiction", "thing", *(f"kind {c}" for c in range(2, self.options.values))]

    def step_words(self) -> list[list[str]]:
        """Return it is a kind 5; it is that or a kind 5; it is not a kind 5."""
        return [[f"it is {word} kind {y}" for y in self.classes()] for word in ("a", "that or a", "not a")]


def is_a(s: int, y: int) -> bool:
    """Return whether class s is y or a kind of y; the contradiction is every class."""
    while s > y:
        s //= 2
    return s in (y, CONTRADICTION)


def meet(s: int, y: int) -> int:
    """Return the class of what is both an s and a y."""
    return s if is_a(s, y) else y if is_a(y, s) else CONTRADICTION


def join(s: int, y: int) -> int:
    """Return the narrowest class of all that are an s or a y."""
    if CONTRADICTION in (s, y):
        return s or y
    while s != y:
        s, y = max(s, y) // 2, min(s, y)
    return s


def deny(s: int, y: int, m: int) -> int:
    """Return the contradiction where s is a y, else the sibling of s; thing, and a kind without one, stay."""
    if is_a(s, y):
        return CONTRADICTION
    return s if s == THING or s ^ 1 >= m else s ^ 1
