"""The four arms on which engines are compared with ours, and what their tests share."""

import importlib.abc
import importlib.machinery
import json
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
from torch import Tensor

from jobs.engines import ENGINES
from jobs.engines.engine import EngineRun, script
from jobs.engines.parity import bound
from jobs.training.network.transformer import Transformer
from planners import Router, RunSpec, Shape
from planners.spec import Training

T = 32
DENSE = Shape(d_model=64, n_layers=3, n_dense_layers=3, n_heads=4, n_kv_heads=2, head_dim=16, d_ff=160, vocab_size=256)
MOE = replace(DENSE, n_kv_heads=4, n_dense_layers=1, n_experts=8, top_k=2, d_expert=32)
ARMS: dict[str, tuple[Shape, Router]] = {
    "dense": (DENSE, Router()),
    "top-1, shared expert": (replace(MOE, top_k=1, d_shared=32), Router()),
    "top-4, shared expert": (replace(MOE, n_experts=16, top_k=4, d_shared=128), Router()),
    "sigmoid": (
        replace(MOE, qk_norm="head"),
        Router(score="sigmoid", renormalise=True, bias_rate=1e-3),
    ),
}
"""Dense; top-1 and top-4 with a shared expert and a dense layer first; a renormalised sigmoid with a bias."""


def training(**fields: Any) -> Training:
    usual = {"seq_len": T, "D": 40 * T, "U": 40 * T, "batch_tokens": 4 * T, "lr": 1e-2, "lr_floor": 1e-3,
             "warmup_steps": 3, "weight_decay": 0.1, "eval_windows": 8, "seed": 0}  # fmt: skip
    return Training(**{**usual, **fields})


def spec_of(shape: Shape, router: Router, **fields: Any) -> RunSpec:
    return RunSpec.build(
        study="x", arm="an arm", shape=shape, router=router, training=training(**fields), data=None, recipe="given",
        flops_convention="exact", target={},
    )  # fmt: skip


def model_of(shape: Shape, router: Router) -> Transformer:
    """Return our model with weights that would show a wrong norm, gate or bias."""
    torch.manual_seed(0)
    model = Transformer(shape, router)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.normal_(1.0 if "norm" in name else 0.0, 0.2)
        for name, bias in model.named_buffers():
            if router.bias_rate and name.endswith("router.bias"):
                bias.normal_(0, 0.1)
    return model


def arrays(model: Transformer) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy() for name, value in model.state_dict().items()}


def gradient_arrays(model: Transformer) -> dict[str, np.ndarray]:
    return {name: weight.grad.numpy() for name, weight in model.named_parameters() if weight.grad is not None}


def relative(theirs: Tensor, ours: Tensor) -> float:
    """Return the largest difference over the largest value."""
    return float((theirs - ours).detach().abs().max() / ours.detach().abs().max())


def holds(engine: str, what: str, value: float) -> None:
    """Assert that a measured difference is within the bound of the parity note; pytest -rP shows the figure."""
    print(f"{engine}: {what}: {value:.2g} (at most {bound(engine, what):g})")
    assert value <= bound(engine, what)


def windows(count: int = 8) -> Tensor:
    return torch.randint(0, 61, (count, T + 1), generator=torch.Generator().manual_seed(1))


def load_exact(model: torch.nn.Module, weights: Mapping[str, np.ndarray]) -> None:
    """Fill a model with all of `weights`; what it has besides must be buffers that count tokens."""
    report = model.load_state_dict(
        {n: torch.from_numpy(np.ascontiguousarray(w)) for n, w in weights.items()}, strict=False
    )
    assert not report.unexpected_keys
    assert not [name for name in report.missing_keys if name in dict(model.named_parameters())]


def imported(name: str, engine: str, spec: RunSpec, folder: Path, **files: Any) -> types.ModuleType:
    """Return the exported script `name` of a run as a module, as the engine imports it."""
    folder.mkdir(exist_ok=True)
    for file, content in {"recipe": EngineRun(spec=spec).recipe(ENGINES[engine]), **files}.items():
        (folder / f"{file}.json").write_text(json.dumps(content))
    module = types.ModuleType(f"exported_{engine.replace('-', '_')}")
    module.__file__ = str(folder / "script.py")
    sys.modules[module.__name__] = module  # dataclasses look their module up
    exec(compile(script(name), f"{name}.txt", "exec"), module.__dict__)
    return module


def need(engine: str) -> None:
    """Skip the tests of a file where its engine is not installed, as in every environment but that of make interop."""
    for package in ENGINES[engine].needs:
        pytest.importorskip(package, reason=f"skipped: {package} is not installed; make interop installs it")


class _StandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, name: str):
        self.name = name

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name == self.name or name.startswith(f"{self.name}."):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> Any:
        module = MagicMock(name=spec.name)
        module.__path__, module.__spec__ = [], spec
        return module

    def exec_module(self, module: Any) -> None:
        return


@contextmanager
def stand_in(name: str) -> Iterator[None]:
    """Import a package that only a GPU needs as a mock."""
    finder = _StandIn(name)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
