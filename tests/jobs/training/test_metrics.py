"""Sums of a metrics line do not depend on micro-batches, on when they are taken, or on the number of processes."""

import random

import torch
from hypothesis import given, strategies as st

from jobs.training.metrics import PENDING, MetricSums, MicroBatch

LAYERS, EXPERTS, SEQUENCES = 2, 3, 6


def parts_of(generator: random.Random, cuts: list[int], detailed: bool) -> list[MicroBatch]:
    """Return micro-batches with random numbers, one for each number of sequences."""
    numbers = torch.Generator().manual_seed(generator.randrange(2**31))

    def scalar() -> torch.Tensor:
        return torch.rand((), generator=numbers) * 10

    return [
        MicroBatch(
            count,
            scalar(),
            [(torch.randint(100, (EXPERTS,), generator=numbers), torch.tensor(3), scalar()) for _ in range(LAYERS)],
            [scalar() for _ in range(LAYERS)] if detailed else [],
        )
        for count in cuts
    ]


@given(st.integers(0, 99), st.integers(1, 2 * PENDING), st.sampled_from([[6], [2, 2, 2], [4, 2], [1] * 6]))
def test_sums_do_not_depend_on_when_and_where_they_are_taken(seed: int, steps: int, cuts: list[int]) -> None:
    generator = random.Random(seed)
    batches = [parts_of(generator, cuts, detailed=step == steps - 1) for step in range(steps)]
    norm, whole = torch.tensor(1.0), MetricSums(SEQUENCES)
    interrupted, processes = MetricSums(SEQUENCES), [MetricSums(SEQUENCES), MetricSums(SEQUENCES)]
    for step, parts in enumerate(batches):
        whole.add(parts, norm)
        interrupted.add(parts, norm)
        if generator.random() < 0.2:  # a checkpoint, and another process that resumes from it
            state, interrupted = interrupted.state(), MetricSums(SEQUENCES)
            interrupted.restore(state, torch.device("cpu"), mine=True)
        for index, window in enumerate(processes):
            window.add(parts[index::2], norm)
        assert whole.steps == interrupted.steps == step + 1
    told = iter(processes[1].sums.items())
    together = processes[0].of_all(lambda value: value + next(told)[1]) if len(cuts) > 1 else whole
    biases = [torch.tensor([0.0, 0.5, -0.5])] * LAYERS
    assert whole.line(biases) == interrupted.line(biases) == together.line(biases)
    expected = sum(part.sequences * float(part.loss) for parts in batches for part in parts) / (steps * SEQUENCES)
    assert abs(whole.loss() - expected) < 1e-12
    assert whole.dropped() == 3 * LAYERS * len(cuts) * steps
    last = whole.line(biases)["layers"]
    assert last["bias_range"] == [1.0] * LAYERS
    mean = sum(part.sequences * float(part.entropies[0]) for part in batches[-1]) / SEQUENCES
    assert abs(last["entropy"][0] - mean) < 1e-12


def test_a_dense_model_has_a_metrics_line() -> None:
    window = MetricSums(1)
    window.add([MicroBatch(1, torch.tensor(2.0), [], [])], torch.tensor(float("nan")))
    assert window.line([]) == {"loss": 2.0, "grad_norm": None, "balance": None, "max_load": None}
