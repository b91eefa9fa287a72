"""python benchmarks/gpu.py > gpu.md

Measure on the GPU of this machine, as Markdown tables: expert layers against a dense layer of equal active FLOPs (as
`benchmarks/experts.py` does on a CPU), training steps of dense models of 50M, 124M and 350M parameters and their twins
with experts, and what `--deterministic` changes. bf16, blocks compiled. Without a GPU it says so and exits with 3;
`--tiny --device cpu` only tries whether it runs.
"""

import argparse
import gc
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

import torch
from experts import WARM_UP, dense_width, interval, shape_of, variants
from torch import Tensor

from jobs.execution import Execution
from jobs.training import distributed
from jobs.training.environment import device_name, peak_flops, peak_memory, reset_peak_memory
from jobs.training.experts import Experts
from jobs.training.metrics import Window
from jobs.training.model import Transformer
from jobs.training.precision import set_deterministic
from jobs.training.step import Stepper
from planners import Router, RunSpec, Shape
from planners.spec import Training

NO_GPU = 3


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What is measured."""

    layers: tuple[tuple[int, int, int, int], ...]
    """d_model, n_experts, top_k, d_expert of the expert layers."""
    models: dict[str, tuple[int, int, int, int, int]]
    """By name: d_model, n_layers, d_ff, vocab_size, sequence length of a dense model with tied embeddings."""
    twins: tuple[tuple[int, int], ...]
    """n_experts and top_k of the twins, whose experts have d_ff / top_k: equal active FLOPs but for the router."""
    tokens: int
    """Tokens a step."""
    rounds: int
    """Rounds that are counted."""
    repeated: int
    """Steps that are taken twice to see whether they repeat."""
    transformers: bool
    """Whether the MoE blocks of transformers are timed beside ours."""


REAL = Sizes(
    layers=((1024, 8, 1, 2816), (1024, 64, 8, 352)),
    models={
        "50M": (512, 8, 1408, 50304, 1024),
        "124M": (768, 12, 2048, 50304, 1024),
        "350M": (1024, 24, 2816, 50304, 2048),
    },
    twins=((8, 1), (64, 8)),
    tokens=65536,
    rounds=21,
    repeated=50,
    transformers=True,
)
TINY = Sizes(
    layers=((32, 4, 1, 32),),
    models={"tiny": (32, 2, 64, 128, 32)},
    twins=((8, 2),),
    tokens=256,
    rounds=2,
    repeated=3,
    transformers=False,
)


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="sizes that run in seconds anywhere and say nothing")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="where (default cuda)")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("there is no GPU on this machine; run this on one that has", file=sys.stderr)
        return NO_GPU
    sizes, device = (
        (TINY if arguments.tiny else REAL),
        torch.device(arguments.device, 0 if arguments.device == "cuda" else None),
    )
    note = "; tiny sizes, which only show that it runs" if arguments.tiny else ""
    print(f"{device_name(device)}, torch {torch.__version__}, bf16, {sizes.tokens} tokens a step{note}\n")
    print("| expert layer | variant | speed at equal active FLOPs, dense = 1 (95 %) | max/mean load |")
    print("|---|---|---|---|")
    for case in sizes.layers:
        layer_rows(shape_of(*case), sizes, device)
    print(
        "\n| model | parameters | tokens/s | MFU | against dense (95 %) | peak memory | micro-batch | max/mean load |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, model in sizes.models.items():
        model_rows(name, model, sizes, device)
    print()
    determinism(next(iter(sizes.models.values())), sizes, device)
    return 0


def layer_rows(shape: Shape, sizes: Sizes, device: torch.device) -> None:
    """Print how fast the variants of an expert layer are, interleaved in an order shuffled every round."""
    torch.manual_seed(0)
    networks = dict(variants(shape, sizes.tokens) if sizes.transformers else islice(variants(shape, sizes.tokens), 4))
    for name, (network, _) in networks.items():
        for weight in network.to(device).parameters():
            torch.nn.init.normal_(weight, std=0.02)
        if device.type == "cuda" and name in ("dense", "grouped", "grouped, even load"):
            network.compile(fullgraph=True)
    ratios: dict[str, list[float]] = {name: [] for name in networks if name != "dense"}
    for turn in range(WARM_UP + sizes.rounds):
        x = torch.randn(8, sizes.tokens // 8, shape.d_model, device=device)
        elapsed = {}
        for name in random.Random(turn).sample(sorted(networks), len(networks)):
            network, step = networks[name]
            elapsed[name] = seconds(partial(forward_and_backward, step, x, device), device)
            network.zero_grad(set_to_none=True)
        if turn >= WARM_UP:
            for name, values in ratios.items():
                values.append(elapsed["dense"] / elapsed[name])
    load = networks["grouped"][0](x)[1].load.float()
    label = f"d_model {shape.d_model}, {shape.n_experts} experts, K {shape.top_k}, d_expert {shape.d_expert}"
    for name, values in ratios.items():
        balance = "1.00" if "even" in name else f"{float(load.max() / load.mean()):.2f}"
        print(f"| {label} (dense {dense_width(shape)}) | {name} | {ratio(values)} | {balance} |", flush=True)


def forward_and_backward(step: Callable[[Tensor], Tensor], x: Tensor, device: torch.device) -> None:
    """Run a layer once, as training does."""
    with torch.autocast(device.type, torch.bfloat16):
        loss = step(x.requires_grad_())
    loss.backward()


def model_rows(name: str, model: tuple[int, int, int, int, int], sizes: Sizes, device: torch.device) -> None:
    """Print a dense model, then each twin, whose steps are interleaved with the dense model's."""
    dense = spec_of(shape_of_model(model), model[-1], sizes)
    twins = [spec_of(shape_of_model(model, *twin), model[-1], sizes) for twin in sizes.twins]
    for spec, even in ((dense, False), *((twin, even) for twin in twins for even in (False, True))):
        memory, micro_batch = alone(spec, device)
        measured = timed(dense, spec, sizes, device, even=even)
        per_token = spec.flops_per_token["exact"], dense.flops_per_token["exact"]
        speed = sizes.tokens / statistics.median(measured["this"])
        peak = peak_flops(device, "bf16")
        shape = spec.shape
        kind = "dense" if shape.is_dense else f"{shape.n_experts} experts, K {shape.top_k}"
        kind += ", even load" if even else ""
        values = [
            dense_s / this_s * per_token[0] / per_token[1]
            for dense_s, this_s in zip(measured["dense"], measured["this"], strict=True)
        ]
        mfu = f"{speed * per_token[0] / peak:.1%}" if peak else "-"
        against = "1" if shape.is_dense else ratio(values)
        load = "-" if shape.is_dense else f"{measured['load'][0]:.2f}"
        memory_text = f"{memory / 2**30:.2f} GiB" if memory else "-"
        print(
            f"| {name} {kind} | {shape.total / 1e6:.0f}M, {shape.active / 1e6:.0f}M active | {speed:,.0f} | {mfu}"
            f" | {against} | {memory_text} | {micro_batch} of {sizes.tokens // model[-1]} | {load} |",
            flush=True,
        )


def alone(spec: RunSpec, device: torch.device) -> tuple[int | None, int]:
    """Return the peak memory of three steps with nothing else on the device, and the micro-batch that fitted."""
    release(device)
    known, stepper = reset_peak_memory(device), stepper_of(spec, device)
    for step in range(3):
        stepper.take(step, windows(spec, step, device), Window(sequences(spec)), detailed=False)
    return peak_memory(device) if known else None, stepper.micro_batch


def timed(dense: RunSpec, spec: RunSpec, sizes: Sizes, device: torch.device, *, even: bool) -> dict[str, list[float]]:
    """Return the seconds of training steps of both, in turns, and the worst load of the last one with experts."""
    release(device)
    steppers = {"dense": stepper_of(dense, device), "this": stepper_of(spec, device, even=even)}
    found: dict[str, list[float]] = {name: [] for name in steppers}
    for turn in range(WARM_UP + 1 + sizes.rounds):
        batch = windows(spec, turn, device)
        for name in random.Random(turn).sample(sorted(steppers), 2):
            stepper, window = steppers[name], Window(sequences(spec))
            spent = seconds(partial(stepper.take, turn, batch, window, detailed=turn == WARM_UP + sizes.rounds), device)
            if turn > WARM_UP:
                found[name].append(spent)
            if stepper.experts and turn == WARM_UP + sizes.rounds:
                found["load"] = [window.line([module.router.bias for module in stepper.experts])["max_load"]]
    return found


def stepper_of(spec: RunSpec, device: torch.device, *, even: bool = False) -> Stepper:
    """Return a new model with its optimizer, its experts loaded evenly by force if asked."""
    model = Transformer(spec.shape, spec.router)
    model.initialise(0)
    for module in model.modules():
        if isinstance(module, Experts):
            module.router.forced = even
    return Stepper(model.to(device).train(), spec, distributed.join(), Execution())


def determinism(model: tuple[int, int, int, int, int], sizes: Sizes, device: torch.device) -> None:
    """Print how far two runs of one seed come apart, with and without --deterministic, and what it costs."""
    spec = spec_of(shape_of_model(model, *sizes.twins[-1]), model[-1], sizes)
    twin = f"{spec.shape.n_experts} experts, K {spec.shape.top_k}"
    print(f"| {sizes.repeated} steps twice, {twin} | largest difference in loss | ms/step |")
    print("|---|---|---|")
    for wanted in (False, True):
        set_deterministic(wanted and device.type == "cuda")
        (first, spent), (second, _) = (losses(spec, sizes.repeated, device) for _ in range(2))
        apart = max(abs(a - b) for a, b in zip(first, second, strict=True))
        print(f"| {'--deterministic' if wanted else 'default'} | {apart:.3g} nats | {1e3 * spent:.1f} |", flush=True)
    set_deterministic(False)


def losses(spec: RunSpec, steps: int, device: torch.device) -> tuple[list[float], float]:
    """Return the losses of the first steps and the median seconds of one."""
    release(device)
    stepper = stepper_of(spec, device)
    found, spent = [], []
    for step in range(steps):
        window = Window(sequences(spec))
        spent.append(seconds(partial(stepper.take, step, windows(spec, step, device), window, detailed=False), device))
        found.append(window.loss())
    return found, statistics.median(spent)


def shape_of_model(model: tuple[int, int, int, int, int], n_experts: int = 0, top_k: int = 0) -> Shape:
    """Return a dense model, or its twin with experts in every layer and equal active FLOPs but for the router."""
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
    """Return a run of this shape whose steps have the benchmark's size."""
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
    """Return made-up tokens for a step: each one like its predecessor, so that there is something to learn."""
    count, T, V = sequences(spec), spec.training.seq_len, spec.shape.vocab_size
    generator = torch.Generator().manual_seed(step)
    starts = torch.randint(V, (count, 1), generator=generator)
    steps = torch.randint(4, (count, T), generator=generator).cumsum(1)
    return torch.cat([starts, (starts + steps) % V], 1).to(device)


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Return how long `work` takes until the device has done it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def ratio(values: list[float]) -> str:
    """Return the median with its 95 % interval."""
    low, high = interval(values)
    return f"{statistics.median(values):.2f} ({low:.2f} to {high:.2f})"


def release(device: torch.device) -> None:
    """Give back what earlier models held."""
    gc.collect()
    torch.compiler.reset()
    if device.type == "cuda":
        torch.cuda.empty_cache()


if __name__ == "__main__":
    sys.exit(main())
