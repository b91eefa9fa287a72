"""Training steps for `benchmarks/gpu.py`, and its timers. This file is not a command."""

import random
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from experts import interval
from torch import Tensor, nn
from torch.autograd import DeviceType

from jobs.execution import Execution
from jobs.training.device.distributed import Ranks
from jobs.training.device.environment import free_cached, peak_flops, peak_memory, reset_peak_memory
from jobs.training.device.precision import set_deterministic
from jobs.training.metrics import MetricSums
from jobs.training.network.transformer import Transformer, is_matrix
from jobs.training.step import Stepper
from planners import Router, RunSpec, Shape
from planners.spec import Training

WARM_UP = 3
"""Calls before the first one that is timed."""
AT_LEAST_S = 0.05
"""As many calls are timed together as take this many seconds, so that launching the first one hardly counts."""

Row = dict[str, Any]
Model = tuple[int, int, int, int, int]
"""d_model, n_layers, d_ff, vocab_size and sequence length of a dense model with tied embeddings."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The cases and their sizes."""

    layers: dict[str, tuple[int, int, int, int]]
    """By name: d_model, n_experts, top_k, d_expert of expert layers."""
    models: dict[str, Model]
    """By name."""
    twins: tuple[tuple[int, int], ...]
    """n_experts and top_k of the MoE twins; with d_expert = d_ff / top_k: equal active FLOPs except for the router."""
    targets: dict[str, float]
    """Smallest ratio of a grouped layer, or smallest MFU of a dense model, by name."""
    tokens: int
    """Tokens per step."""
    rounds: int
    """Rounds that are counted."""
    repeated: int
    """Steps that are taken twice to check that they repeat."""
    compiled: bool = True
    """Whether to compile the layers that training compiles."""
    kernels: int = 0
    """Number of longest kernels to list per case."""


def in_turns(calls: dict[str, Callable[[], None]], rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Return the seconds per call, by name and round; the calls take turns."""
    times: dict[str, int] = {}
    for name, call in calls.items():
        for _ in range(WARM_UP):
            call()
        times[name] = max(1, round(AT_LEAST_S / seconds(call, 1, device)))
    found: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds):
        for name in random.Random(turn).sample(sorted(calls), len(calls)):
            found[name].append(seconds(calls[name], times[name], device))
    return found


def seconds(call: Callable[[], None], times: int, device: torch.device) -> float:
    """Return the seconds per call on the device, over several calls in a row."""
    if device.type != "cuda":
        start = time.perf_counter()
        for _ in range(times):
            call()
        return (time.perf_counter() - start) / times
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(times):
        call()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1e3 / times


def duration(spent: list[float]) -> Row:
    """Return the median in milliseconds and its interval."""
    return {"ms": 1e3 * statistics.median(spent), "ms_95": [1e3 * bound for bound in interval(spent)]}


def longest_kernels(call: Callable[[], None], sizes: Sizes, device: torch.device) -> Iterator[Row]:
    """Yield the `sizes.kernels` longest kernels of a call, with their share of its time."""
    if not sizes.kernels:
        return
    of, kind = "self_cpu_time_total", DeviceType.CPU
    if device.type == "cuda":
        of, kind = "self_device_time_total", DeviceType.CUDA
    call()
    with torch.profiler.profile() as profiled:
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    spent = {
        (event.key, event.count): getattr(event, of)
        for event in profiled.key_averages()
        if event.device_type == kind and not event.is_user_annotation  # a GPU lists operators too
    }
    whole = sum(spent.values())
    for (name, count), taken in sorted(spent.items(), key=lambda item: -item[1])[: sizes.kernels]:
        yield {"kind": "kernel", "kernel": name[:90], "calls": count, "ms": taken / 1e3, "share": taken / whole}


def compared(dense: list[float], spent: list[float], work: float = 1.0) -> Row:
    """Return the median ratio over rounds and its interval; `work` is the ratio of their FLOPs, second over first."""
    ratios = [work * of_dense / of_this for of_dense, of_this in zip(dense, spent, strict=True)]
    return {"ratio": statistics.median(ratios), "ratio_95": interval(ratios)}


def maximum(load: Tensor) -> float:
    """Return the largest load of an expert over the mean, in the worst layer."""
    return float((load / load.double().mean(-1, keepdim=True)).max())


class ModelInTraining:
    """A model in training, with batches that are already on the device."""

    def __init__(self, spec: RunSpec, device: torch.device, micro_batch: int | None = None):
        self.spec, self.device = spec, device
        torch.manual_seed(0)
        with device:
            model = Transformer(spec.shape, spec.router)
        fill(model)  # on the device, where it is quick
        execution = Execution(micro_batch=micro_batch)
        self.stepper = Stepper(model.train(), spec, Ranks(0, 1, device), execution)
        self.batches = [windows(spec, step, device) for step in range(4)]
        self.step, self.sums = 0, MetricSums(sequences(spec))

    def take(self) -> None:
        """Take one step."""
        self.sums = MetricSums(sequences(self.spec))
        self.stepper.take(self.step, self.batches[self.step % len(self.batches)], self.sums, detailed=False)
        self.step += 1

    def memory(self, resident: int) -> float | None:
        """Return the peak memory of a step in GiB, minus `resident` bytes; None if it cannot be measured."""
        if not reset_peak_memory(self.device):
            return None
        self.take()
        return ((peak_memory(self.device) or 0) - resident) / 2**30

    def host_syncs(self) -> int | None:
        """Return how often a step makes the CPU wait for the GPU."""
        if self.device.type != "cuda":
            return None
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            self.take()
            torch.cuda.set_sync_debug_mode("default")
        return sum("synchronizing" in str(warning.message) for warning in told)


def fill(network: nn.Module) -> None:
    """Fill the matrices with typical initial weights; norms are already 1."""
    for name, weight in network.named_parameters():
        if is_matrix(name, weight):
            nn.init.normal_(weight, std=0.02)


def dense_model(model: Model, sizes: Sizes, device: torch.device, target: float | None) -> Iterator[Row]:
    """Yield the row of a dense model, alone on the device."""
    release(device)
    dense = ModelInTraining(spec_of(shape_of_model(model), model[-1], sizes), device)
    row = described(dense, in_turns({"dense": dense.take}, sizes.rounds, device)["dense"], 0)
    if target is not None and row["mfu"] is not None:
        row |= {"target": target, "met": row["mfu"] >= target}
    yield row
    yield from longest_kernels(dense.take, sizes, device)


def twin_model(model: Model, n_experts: int, top_k: int, sizes: Sizes, device: torch.device) -> Iterator[Row]:
    """Yield the row of an MoE model; its steps take turns with the steps of its dense twin."""
    release(device)
    dense = ModelInTraining(spec_of(shape_of_model(model), model[-1], sizes), device)
    dense.take()  # so that its optimizer state exists
    release(device)
    resident = torch.cuda.memory_allocated(device) if device.type == "cuda" else 0
    twin = ModelInTraining(spec_of(shape_of_model(model, n_experts, top_k), model[-1], sizes), device)
    fitting = min(dense.stepper.micro_batch, twin.stepper.micro_batch)  # both stay in memory; batches are cut alike
    dense.stepper.micro_batch = twin.stepper.micro_batch = fitting
    found = in_turns({"dense": dense.take, "twin": twin.take}, sizes.rounds, device)
    if dense.stepper.halved or twin.stepper.halved:
        raise RuntimeError("memory ran out and halved a micro-batch, so the twins differ; use a larger GPU")
    work = twin.spec.flops_per_token["exact"] / dense.spec.flops_per_token["exact"]
    yield {**described(twin, found["twin"], resident), **compared(found["dense"], found["twin"], work)}
    yield from longest_kernels(twin.take, sizes, device)


def described(trained: ModelInTraining, spent: list[float], resident: int) -> Row:
    """Return the row of a model from the seconds of its steps."""
    spec, shape, peak = trained.spec, trained.spec.shape, peak_flops(trained.device, "bf16")
    speed = spec.training.batch_tokens / statistics.median(spent)
    row: Row = {"kind": "model", "parameters": f"{shape.total / 1e6:.0f}M", "active": f"{shape.active / 1e6:.0f}M"}
    row |= {"tokens": spec.training.batch_tokens, "tokens_per_s": speed, **duration(spent)}
    row |= {"mfu": speed * spec.flops_per_token["exact"] / peak if peak else None}
    row |= {"peak_GiB": trained.memory(resident), "host_syncs": trained.host_syncs()}
    row |= {"micro_batch": trained.stepper.micro_batch, "halved": trained.stepper.halved}
    loads = trained.sums.sums.get("load")
    return {**row, "max_load": None if loads is None else maximum(loads)}


def repeats(sizes: Sizes, device: torch.device, *, deterministic: bool) -> Iterator[Row]:
    """Yield the largest difference between two runs of one seed, for the last twin of the smallest model."""
    set_deterministic(deterministic and device.type == "cuda")
    model = next(iter(sizes.models.values()))
    spec = spec_of(shape_of_model(model, *sizes.twins[-1]), model[-1], sizes)
    (first, spent), (second, _) = (losses(spec, sizes.repeated, device) for _ in range(2))
    apart = max(abs(a - b) for a, b in zip(first, second, strict=True))
    yield {"kind": "repeat", "steps": sizes.repeated, "largest_difference": apart, **duration(spent)}


def losses(spec: RunSpec, steps: int, device: torch.device) -> tuple[list[float], list[float]]:
    """Return the losses of the first steps, and the seconds of each step after warm-up."""
    release(device)
    trained, found, spent = ModelInTraining(spec, device), list[float](), list[float]()
    for _ in range(steps):
        spent.append(seconds(trained.take, 1, device))
        found.append(trained.sums.loss())
    return found, spent[min(WARM_UP, steps - 1) :]


def shape_of_model(model: Model, n_experts: int = 0, top_k: int = 0) -> Shape:
    """Return a dense model, or its MoE twin with equal active FLOPs except for the router."""
    d_model, n_layers, d_ff, vocab_size, _ = model
    head_dim = min(64, d_model // 2)
    heads = d_model // head_dim
    dense = Shape(
        d_model=d_model, n_layers=n_layers, n_dense_layers=n_layers, n_heads=heads, n_kv_heads=heads,
        head_dim=head_dim, d_ff=d_ff, vocab_size=vocab_size, tied_embeddings=True,
    )  # fmt: skip
    if not n_experts:
        return dense
    return replace(dense, n_dense_layers=0, n_experts=n_experts, top_k=top_k, d_expert=d_ff // top_k)


def spec_of(shape: Shape, seq_len: int, sizes: Sizes) -> RunSpec:
    """Return a run of this shape with the benchmark's step size."""
    D = sizes.tokens * 1000
    training = Training(
        seq_len=seq_len, D=D, U=D, batch_tokens=sizes.tokens, lr=3e-4, lr_floor=3e-5, warmup_steps=100,
        weight_decay=0.1, precision="bf16", eval_windows=1, seed=0,
    )  # fmt: skip
    return RunSpec.build(
        study="gpu", arm="", shape=shape, router=Router(), training=training, data=None, recipe="", target={},
        flops_convention="exact",
    )  # fmt: skip


def sequences(spec: RunSpec) -> int:
    """Return the sequences of a batch."""
    return spec.training.batch_tokens // spec.training.seq_len


def windows(spec: RunSpec, step: int, device: torch.device) -> Tensor:
    """Return generated tokens for a step; each is close to its predecessor, so that a model can learn."""
    count, T, V = sequences(spec), spec.training.seq_len, spec.shape.vocab_size
    generator = torch.Generator().manual_seed(step)
    starts = torch.randint(V, (count, 1), generator=generator)
    steps = torch.randint(4, (count, T), generator=generator).cumsum(1)
    return torch.cat([starts, (starts + steps) % V], 1).to(device)


def release(device: torch.device) -> None:
    """Free the memory of earlier models and drop their graphs, so that new sizes are compiled as static."""
    torch.compiler.reset()
    free_cached(device)
