"""Which runs share a job: small runs are packed together until a job is predicted to be worth its start.

A run that starts from another run's weights comes in a later generation than that run, its parent.
"""

import heapq
import math
from collections.abc import Sequence

from planners.spec import RunSpec


def generations(runs: Sequence[RunSpec]) -> list[list[RunSpec]]:
    """Return the runs in lists such that the parent of a run, if it is among them, is in an earlier list."""
    by_id = {run.run_id: run for run in runs}
    depth: dict[str, int] = {}

    def depth_of(run: RunSpec) -> int:
        """Return how many runs must end before this one can start: its parent, the parent of that, and so on."""
        parent = by_id.get(run.training.init_from or "")
        if run.run_id not in depth:
            depth[run.run_id] = 0 if parent is None else 1 + depth_of(parent)
        return depth[run.run_id]

    found: list[list[RunSpec]] = [[] for _ in range(1 + max(map(depth_of, runs), default=-1))]
    for run in runs:
        found[depth[run.run_id]].append(run)
    return found


def pack(seconds: dict[str, float], target_s: float, at_least: int = 1) -> list[list[str]]:
    """Return run ids in packs of about `target_s` seconds; the longest run comes first in each pack.

    `seconds` gives the predicted time of each run. A run of at least `target_s` gets its own pack. Every other run goes
    to the pack with the least time so far, longest run first (the greedy LPT rule). There are `at_least` packs if there
    are enough runs.
    """
    ordered = sorted(seconds, key=lambda run_id: -seconds[run_id])
    alone = [[run_id] for run_id in ordered if seconds[run_id] >= target_s]
    small = ordered[len(alone) :]
    wanted = math.ceil(sum(seconds[run_id] for run_id in small) / target_s) if small else 0
    count = min(len(small), max(wanted, at_least - len(alone), 1))
    heap = [(0.0, number) for number in range(count)]
    shared: list[list[str]] = [[] for _ in range(count)]
    for run_id in small:
        load, number = heapq.heappop(heap)
        shared[number].append(run_id)
        heapq.heappush(heap, (load + seconds[run_id], number))
    return alone + shared


def split(packs: Sequence[list[str]], size: int) -> list[list[list[str]]]:
    """Return the packs in arrays of at most `size`."""
    return [list(packs[first : first + size]) for first in range(0, len(packs), size)]
