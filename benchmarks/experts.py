"""python benchmarks/experts.py

Time a training step of MoE layers against a dense layer of equal active FLOPs, interleaved in one process, one thread.
Prints the ratio dense time / MoE time (1 is as fast as dense) as a median over rounds with its quartiles.
"""

import os
import statistics
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from jobs.training import experts as module
from jobs.training.experts import Experts, FeedForward, grouped_product, looped_product
from planners import Router, Shape

ROUNDS, TOKENS = 15, 4096
CASES = ((128, 16, 1, 512), (128, 64, 4, 128), (512, 8, 1, 2048))
"""d_model, n_experts, top_k, d_expert."""


def layer(d_model: int, n_experts: int, top_k: int, d_expert: int) -> Experts:
    """Return the experts of a model with these sizes."""
    shape = Shape(
        d_model=d_model, n_layers=1, n_dense_layers=0, n_heads=1, n_kv_heads=1, head_dim=d_model, d_ff=d_model,
        n_experts=n_experts, top_k=top_k, d_expert=d_expert, vocab_size=2,
    )  # fmt: skip
    return Experts(shape, Router())


def step_time(network: torch.nn.Module, x: torch.Tensor) -> float:
    """Return the seconds of one forward and backward pass."""
    start = time.perf_counter()
    y = network(x)
    (y[0] if isinstance(y, tuple) else y).square().mean().backward()
    elapsed = time.perf_counter() - start
    network.zero_grad(set_to_none=True)
    return elapsed


def ratios(d_model: int, n_experts: int, top_k: int, d_expert: int) -> dict[str, list[float]]:
    """Return dense time / MoE time, per path and round."""
    dense, moe = FeedForward(d_model, top_k * d_expert, gated=True), layer(d_model, n_experts, top_k, d_expert)
    for weight in (*dense.parameters(), *moe.parameters()):
        torch.nn.init.normal_(weight, std=0.05)
    found: dict[str, list[float]] = {"grouped": [], "looped": []}
    for turn in range(ROUNDS + 3):
        x = torch.randn(8, TOKENS // 8, d_model)
        base = step_time(dense, x)
        for name, product in (("grouped", grouped_product), ("looped", looped_product)):
            module.product_for = lambda *_, product=product: product
            elapsed = step_time(moe, x)
            if turn >= 3:
                found[name].append(base / elapsed)
    return found


def main() -> int:
    """Print the table."""
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, fp32, {TOKENS} tokens a step, random routing, {ROUNDS} rounds")
    print(f"{'d_model':>7} {'experts':>7} {'K':>3} {'d_expert':>8}  {'path':8} {'ratio':>5}  quartiles")
    for case in CASES:
        for path, values in ratios(*case).items():
            low, middle, high = statistics.quantiles(values, n=4)
            sizes = f"{case[0]:7d} {case[1]:7d} {case[2]:3d} {case[3]:8d}"
            print(f"{sizes}  {path:8} {middle:5.2f}  {low:.2f} to {high:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
