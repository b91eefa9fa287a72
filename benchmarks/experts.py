"""python benchmarks/experts.py

Time MoE layers and a dense layer of equal active FLOPs, forward and backward, in one process on one thread, in an order
that is shuffled every round. Prints the ratio dense time / MoE time (1: as fast as dense) for our implementations, for
even load, and for the MoE blocks of transformers: median over rounds with its 95 % interval.
"""

import argparse
import itertools
import os
import random
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor, nn

from jobs.training.device.environment import device_name, keep_freed_memory
from jobs.training.network.experts import MATMULS, Experts, FeedForward
from planners import Router, Shape

CASES = ((128, 16, 1, 512), (128, 64, 4, 128), (512, 8, 1, 2048))
"""d_model, n_experts, top_k, d_expert."""
TARGETS = {16: 0.85, 64: 0.70, 8: 0.85}
"""Smallest ratio that our fastest implementation should reach, by number of experts."""
WARM_UP = 2
"""Rounds that are not counted."""
MODELS = ("Mixtral", "Olmoe", "Qwen3Moe")
"""Models of transformers whose MoE blocks are compared."""
BATCHED_BYTES = 2**31
"""transformers' batched implementation copies an expert's weights for every slot; larger copies are skipped."""

BALANCE = 0.01
"""Coefficient of the balance loss of our router, which is part of the time."""


def shape_of(d_model: int, n_experts: int, top_k: int, d_expert: int) -> Shape:
    """Return the shape of one MoE layer of these sizes."""
    return Shape(
        d_model=d_model, n_layers=1, n_dense_layers=0, n_heads=1, n_kv_heads=1, head_dim=d_model, d_ff=d_model,
        n_experts=n_experts, top_k=top_k, d_expert=d_expert, vocab_size=2,
    )  # fmt: skip


def dense_width(shape: Shape) -> int:
    """Return the hidden width of a dense FFN with the active FLOPs of the MoE layer, including its router."""
    return 8 * round((shape.top_k * shape.d_expert + shape.n_experts / 3) / 8)


def ours(shape: Shape, matmul: str, *, forced: bool = False) -> nn.Module:
    """Return our layer with one of its implementations; `forced` evens the load."""
    layer = Experts(shape, Router())
    layer.matmul, layer.router.forced = matmul, forced
    return layer


def theirs(model: str, implementation: str, shape: Shape) -> nn.Module:
    """Return the MoE block of a model of transformers with one of its implementations."""
    import importlib

    import transformers

    folder = {"Mixtral": "mixtral", "Olmoe": "olmoe", "Qwen3Moe": "qwen3_moe"}[model]
    blocks = importlib.import_module(f"transformers.models.{folder}.modeling_{folder}")
    config = getattr(transformers, f"{model}Config")(
        hidden_size=shape.d_model, intermediate_size=shape.d_expert, moe_intermediate_size=shape.d_expert,
        num_local_experts=shape.n_experts, num_experts=shape.n_experts, num_experts_per_tok=shape.top_k,
        norm_topk_prob=False, experts_implementation=implementation,
    )  # fmt: skip
    block: nn.Module = getattr(blocks, f"{model}SparseMoeBlock")(config)
    block.register_forward_pre_hook(
        lambda module, inputs: (inputs[0].unsqueeze(0),)
    )  # theirs takes (batch, T, d_model)
    block.register_forward_hook(lambda module, inputs, y: y.squeeze(0))
    return block


def our_variants(shape: Shape, matmuls: Iterable[str]) -> Iterator[tuple[str, nn.Module]]:
    """Yield name and network of a dense layer, then of our expert layer with each implementation."""
    yield "dense", FeedForward(shape, dense_width(shape), bias=False)
    for matmul in matmuls:
        yield matmul, ours(shape, matmul)
    yield "grouped, even load", ours(shape, "grouped", forced=True)


def their_variants(shape: Shape, tokens: int) -> Iterator[tuple[str, nn.Module]]:
    """Yield name and network of the MoE blocks of transformers with each of their implementations."""
    copies = tokens * shape.top_k * 3 * shape.d_model * shape.d_expert * 4
    names = ("eager", "grouped_mm", *(["batched_mm"] if copies <= BATCHED_BYTES else []))
    for model, name in itertools.product(MODELS, names):
        yield f"{model} {name}", theirs(model, name, shape)


def differentiate(y: Any, g: Tensor) -> None:
    """Run a layer backward from the gradient g of its output y, and from its balance loss if it has one."""
    if isinstance(y, tuple):
        y, balance = y[0], y[1].balance
        torch.autograd.backward((y, balance), (g.to(y.dtype), torch.full_like(balance, BALANCE)))
    else:
        y.backward(g.to(y.dtype))


def seconds(network: nn.Module, x: Tensor, g: Tensor) -> float:
    """Return the processor time of one forward and backward pass; other processes do not count."""
    x = x.detach().requires_grad_()
    start = time.process_time()
    differentiate(network(x), g)
    elapsed = time.process_time() - start
    network.zero_grad(set_to_none=True)
    return elapsed


def measure(shape: Shape, tokens: int, rounds: int) -> tuple[dict[str, list[float]], float]:
    """Return dense time / variant time by variant and round, and the largest load of an expert over the mean."""
    torch.manual_seed(0)
    networks = dict((*our_variants(shape, MATMULS), *their_variants(shape, tokens)))
    for network in networks.values():
        for weight in network.parameters():
            nn.init.normal_(weight, std=0.05)
    ratios: dict[str, list[float]] = {name: [] for name in networks if name != "dense"}
    for turn in range(WARM_UP + rounds):
        x, g = torch.randn(2, tokens, shape.d_model)
        order = random.Random(turn).sample(sorted(networks), len(networks))
        elapsed = {name: seconds(networks[name], x, g) for name in order}
        elapsed["dense"] = (elapsed["dense"] + seconds(networks["dense"], x, g)) / 2
        if turn >= WARM_UP:
            for name, values in ratios.items():
                values.append(elapsed["dense"] / elapsed[name])
    load = networks["grouped"](x)[1].load.float()
    return ratios, float(load.max() / load.mean())


def interval(values: list[float]) -> tuple[float, float]:
    """Return order statistics that enclose the median with at least 95 % confidence (sign test, no assumptions)."""
    ordered, n = sorted(values), len(values)
    below, k, tail = 0.5**n, 0, 0.5**n
    while tail + (below := below * (n - k) / (k + 1)) <= 0.025:
        k, tail = k + 1, tail + below
    return ordered[k], ordered[n - 1 - k]


def main() -> int:
    """Print the tables; return 1 if a target is missed or a block of transformers is faster."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=4096, help="tokens per pass (default 4096)")
    parser.add_argument("--rounds", type=int, default=21, help="rounds that are counted (default 21)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    print(f"{device_name(torch.device('cpu'))}, torch {torch.__version__}, one thread, fp32, {arguments.rounds} rounds")
    missed = [case for case in CASES if not report(shape_of(*case), arguments.tokens, arguments.rounds)]
    print(f"targets missed: {missed or 'none'}")
    return 1 if missed else 0


def report(shape: Shape, tokens: int, rounds: int) -> bool:
    """Print the table of one case; return whether its target is met and no block of transformers is faster."""
    ratios, max_load = measure(shape, tokens, rounds)
    print(
        f"\nd_model {shape.d_model}, {shape.n_experts} experts, K {shape.top_k}, d_expert {shape.d_expert};"
        f" dense d_ff {dense_width(shape)}; {tokens} tokens; max/mean load {max_load:.2f}"
    )
    medians = {name: statistics.median(values) for name, values in ratios.items()}
    for name, values in ratios.items():
        low, high = interval(values)
        print(f"  {name:22} {medians[name]:5.2f}  ({low:.2f} to {high:.2f})")
    best = max(MATMULS, key=lambda name: medians[name])
    others = [name for name in ratios if name.split()[0] in MODELS]
    faster = [name for name in others if interval(over(ratios[name], ratios[best]))[0] > 1]
    if faster:
        print(f"  faster than {best}: {', '.join(faster)}")
    return interval(ratios[best])[1] >= TARGETS[shape.n_experts] and not faster


def over(some: list[float], others: list[float]) -> list[float]:
    """Return the quotients of two measurements, round by round."""
    return [one / other for one, other in zip(some, others, strict=True)]


if __name__ == "__main__":
    sys.exit(main())
