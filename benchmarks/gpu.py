"""python benchmarks/gpu.py -o gpu.jsonl > gpu.md

Measure on the GPU of this machine, in bf16 with compiled blocks: expert layers compared with a dense layer of equal
active FLOPs (as `benchmarks/experts.py` does on a CPU), training steps of dense models of 50M, 124M and 350M parameters
and of their MoE twins, and the effect of `--deterministic`. It needs only torch and numpy, not an installed
project, and should end within nine minutes. Rows are written at once: as Markdown to standard output, and as JSON lines
to a file. A case that fails or runs out of memory becomes a row that says so, and the next case follows. Exit code 1: a
target was missed, or a case failed or was omitted; 3: no GPU. `--profile` adds the longest kernels; `--tiny --device
cpu` only checks that it runs.

Times come from CUDA events around several calls in a row, after warm-up and compilation. The things that are compared
take turns in an order that is shuffled every round; intervals contain the median over the rounds with 95 % confidence.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import IO

sys.path.append(str(Path(__file__).parents[1]))  # the project need not be installed

import torch
from experts import dense_width, differentiate, our_variants, shape_of, their_variants
from gpu_steps import (
    Row,
    Sizes,
    compared,
    dense_model,
    duration,
    fill,
    in_turns,
    longest_kernels,
    maximum,
    release,
    repeats,
    twin_model,
)
from torch import Tensor, nn

from jobs.training.device import compiling
from jobs.training.device.environment import device_name, peak_flops
from planners import Shape

MISSED, NO_GPU = 1, 3
"""Exit codes."""
MATMULS = ("grouped", "looped")
"""Implementations of our expert layer that run on a GPU."""
KERNELS = 15
"""Number of kernels that --profile lists."""
COMPILED = ("dense", "grouped", "grouped, even load")
"""Variants that training compiles."""
COLUMNS = {
    "layer": ("case", "variant", "ms", "ratio", "target", "max_load"),
    "model": (
        "case", "parameters", "active", "tokens_per_s", "mfu", "ratio", "target", "peak_GiB", "micro_batch", "max_load",
        "host_syncs",
    ),
    "kernel": ("case", "kernel", "calls", "ms", "share"),
    "repeat": ("case", "steps", "largest_difference", "ms"),
}  # fmt: skip
"""Columns of the tables. A ratio is dense time over time at equal active FLOPs: 1 is as fast as dense."""

REAL = Sizes(
    layers={"layer E8 K1": (1024, 8, 1, 2816), "layer E64 K8": (1024, 64, 8, 384)},
    models={
        "50M": (512, 8, 1536, 50304, 1024),
        "124M": (768, 12, 2048, 50304, 1024),
        "350M": (1024, 24, 2560, 50304, 2048),
    },
    twins=((8, 1), (64, 8)),
    targets={"layer E8 K1": 0.85, "layer E64 K8": 0.65, "50M dense": 0.30, "124M dense": 0.40, "350M dense": 0.45},
    tokens=65536,
    rounds=21,
    repeated=50,
)
TINY = Sizes(
    layers={"layer E4 K1": (32, 4, 1, 32)},
    models={"tiny": (32, 2, 64, 128, 32)},
    twins=((8, 2),),
    targets={"layer E4 K1": 0.0},
    tokens=256,
    rounds=2,
    repeated=3,
    compiled=False,
)


def main() -> int:
    """Measure case by case until the time limit."""
    given = parser().parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        print("this machine has no GPU; run this on one that has", file=sys.stderr)
        return NO_GPU
    sizes = replace(TINY if given.tiny else REAL, kernels=KERNELS if given.profile else 0)
    device = torch.device(given.device, 0 if given.device == "cuda" else None)
    end = time.monotonic() + 60 * given.minutes
    with open(given.out, "a") if given.out else nullcontext() as file:
        rows = Rows(file)
        if not given.deterministic:
            rows.write(machine(sizes, device, tiny=given.tiny))
        for name, measure in cases(sizes, device, deterministic=given.deterministic):
            if not given.only or name in given.only.split(","):
                run_case(name, measure, rows, end)
        if not given.only and not given.deterministic:
            run_case("repeat --deterministic", lambda: in_its_own_process(given), rows, end)
    return MISSED if rows.missed else 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of this command."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("-o", "--out", metavar="FILE", help="append the rows to this file, a line of JSON each")
    made.add_argument("--minutes", type=float, default=7.5, help="no case begins later than this (default 7.5)")
    made.add_argument("--only", metavar="CASE,…", help="only these cases, such as 'layer E8 K1,50M dense,repeat'")
    made.add_argument("--deterministic", action="store_true", help="only the repeated steps, deterministic")
    made.add_argument("--profile", action="store_true", help=f"also list the {KERNELS} longest kernels of each case")
    made.add_argument("--tiny", action="store_true", help="sizes that run in seconds, without meaning")
    made.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="device (default cuda)")
    return made


class Rows:
    """Writes rows: to tables on standard output, and to a file as lines of JSON."""

    def __init__(self, file: IO[str] | None):
        self.file, self.kind, self.missed = file, "", False

    def write(self, row: Row) -> None:
        """Write a row and flush it."""
        if self.file:
            self.file.write(json.dumps(row) + "\n")
            self.file.flush()
        kind = row["kind"]
        columns = COLUMNS.get(kind)
        if columns is None:
            print(f"\n{row['text']}", flush=True)
        else:
            if kind != self.kind:
                print("\n| " + " | ".join(columns).replace("_", " ") + " |\n" + "|---" * len(columns) + "|")
            print("| " + " | ".join(cell(row, name) for name in columns) + " |", flush=True)
        self.kind = kind
        self.missed |= kind in ("failed", "left out") or row.get("met") is False


def cell(row: Row, name: str) -> str:
    """Return the text of a cell: a number, with its interval if it has one; a target, and whether it is met."""
    value = row.get(name)
    if value is None:
        return "-"
    if name == "target":
        return f"{value:g}, {'met' if row['met'] else 'missed'}"
    if isinstance(value, float):
        value = f"{value:.1%}" if name in ("mfu", "share") else f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    if f"{name}_95" not in row:
        return str(value)
    low, high = row[f"{name}_95"]
    return f"{value} ({low:.3g} to {high:.3g})"


def cases(
    sizes: Sizes, device: torch.device, *, deterministic: bool
) -> Iterator[tuple[str, Callable[[], Iterator[Row]]]]:
    """Yield the cases by name; cases with a target come first."""
    if deterministic:
        yield "repeat --deterministic", partial(repeats, sizes, device, deterministic=True)
        return
    for name, layer in sizes.layers.items():
        yield name, partial(layers, shape_of(*layer), sizes, device, sizes.targets.get(name))
    for name, model in sizes.models.items():
        yield f"{name} dense", partial(dense_model, model, sizes, device, sizes.targets.get(f"{name} dense"))
    for (name, model), twin in product(sizes.models.items(), sizes.twins):
        yield f"{name} E{twin[0]} K{twin[1]}", partial(twin_model, model, *twin, sizes, device)
    yield "repeat", partial(repeats, sizes, device, deterministic=False)


def run_case(name: str, measure: Callable[[], Iterator[Row]], rows: Rows, end: float) -> None:
    """Write the rows of a case, or a row that says that it failed or was omitted."""
    if time.monotonic() > end:
        rows.write({"kind": "left out", "case": name, "text": f"{name}: omitted, the time limit was reached"})
        return
    try:
        for row in measure():
            rows.write({**row, "case": name})
    except Exception as error:  # for example out of memory: the other cases can still be measured
        reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"
        rows.write({"kind": "failed", "case": name, "text": f"{name}: failed, {reason}"})


def in_its_own_process(given: argparse.Namespace) -> Iterator[Row]:
    """Measure --deterministic in another process, which writes its rows: CUDA reads the setting when it starts."""
    release(torch.device(given.device))
    flags = ["--deterministic", "--device", given.device, *(["--tiny"] if given.tiny else [])]
    flags += ["-o", given.out] if given.out else []
    if code := subprocess.run([sys.executable, __file__, *flags]).returncode:
        raise RuntimeError(f"the process ended with exit code {code}")
    yield from ()


def machine(sizes: Sizes, device: torch.device, *, tiny: bool) -> Row:
    """Return the row that describes the machine."""
    name, peak = device_name(device), peak_flops(device, "bf16")
    text = f"{name}, dense bf16 peak {f'{peak / 1e12:.0f} TFLOP/s' if peak else 'unknown'}, torch {torch.__version__}"
    text += f", bf16, {sizes.tokens} tokens a step" + ("; tiny sizes, which only show that it runs" if tiny else "")
    return {"kind": "machine", "device": name, "torch": torch.__version__, "peak": peak, "text": text}


def layers(shape: Shape, sizes: Sizes, device: torch.device, target: float | None) -> Iterator[Row]:
    """Yield the speed of the variants of an expert layer: ours, and those of transformers if it is installed."""
    release(device)
    torch.manual_seed(0)
    compiling.start_afresh()
    networks = dict(our_variants(shape, MATMULS))
    peers = dict(their_variants(shape, sizes.tokens) if device.type == "cuda" and find_spec("transformers") else ())
    x, g = torch.randn(2, sizes.tokens, shape.d_model, device=device)
    calls = {}
    for name, network in (networks | peers).items():
        peer = name in peers  # in bf16 throughout, because autocast does not reach all operations of transformers
        fill(network.to(device, torch.bfloat16 if peer else None))
        if sizes.compiled and name in COMPILED:
            network.compile(fullgraph=True, dynamic=False)
        given = (x.bfloat16() if peer else x).detach().requires_grad_()
        calls[name] = partial(forward_and_backward, network, given, g.bfloat16())
        if peer:
            try:
                calls[name]()
            except Exception as error:  # some of theirs do not run everywhere
                del calls[name]
                yield {"kind": "peer", "text": f"{name}: {type(error).__name__}: {str(error).splitlines()[0][:200]}"}
    found = in_turns(calls, sizes.rounds, device)
    with torch.autocast(device.type, torch.bfloat16):
        load = networks["grouped"](x)[1].load.float()
    for name, spent in found.items():
        row: Row = {"kind": "layer", "variant": name, "tokens": sizes.tokens, **duration(spent)}
        if name == "dense":
            row |= {"variant": f"dense, d_ff {dense_width(shape)}"}
        else:
            row |= {**compared(found["dense"], spent), "max_load": 1.0 if "even" in name else maximum(load)}
        if name == "grouped" and target is not None:
            row |= {"target": target, "met": row["ratio"] >= target}
        yield row
    for name in ("dense", "grouped"):
        for row in longest_kernels(calls[name], sizes, device):
            yield {**row, "variant": name, "kernel": f"{name}: {row['kernel']}"}


def forward_and_backward(network: nn.Module, x: Tensor, g: Tensor) -> None:
    """Run a layer once, as training does. Gradients are removed, because accumulation would take time."""
    with torch.autocast(x.device.type, torch.bfloat16):
        y = network(x)
    differentiate(y, g)
    network.zero_grad(set_to_none=True)
    x.grad = None


if __name__ == "__main__":
    sys.exit(main())
