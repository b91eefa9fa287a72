"""Batches are a function of the step, in any order and for any number of processes."""

import numpy as np
import torch
from hypothesis import given, strategies as st

from jobs.training.batches import Batches
from jobs.training.device.distributed import Ranks
from planners.spec import Training

SEQ_LEN = 4


def stream(start: int, count: int) -> np.ndarray:
    """Return windows that hold their own position."""
    return np.arange(start, start + count)[:, None] * 10 + np.arange(SEQ_LEN + 1)


@given(st.integers(1, 40), st.integers(1, 4), st.lists(st.integers(0, 200), min_size=1, max_size=20))
def test_processes_share_the_windows_of_a_step_in_order(count: int, size: int, steps: list[int]) -> None:
    tokens = SEQ_LEN * count * size
    training = Training(
        seq_len=SEQ_LEN, D=tokens, U=tokens, batch_tokens=tokens, lr=1.0, lr_floor=0.0, warmup_steps=0,
        weight_decay=0.0, eval_windows=1, seed=0,
    )  # fmt: skip
    batches = []
    for rank in range(size):
        ranks = Ranks(rank, 1, torch.device("cpu"))
        ranks.size = size
        batches.append(Batches(stream, training, ranks))  # type: ignore[arg-type]
    for step in steps:
        shares = [each(step) for each in batches]
        assert {len(share) for share in shares} == {count}
        assert np.array_equal(torch.cat(shares).numpy(), stream(step * count * size, count * size))
