"""Blocks are compiled where this is possible, and compute the same as uncompiled."""

import sysconfig
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from jobs.execution import Execution
from jobs.training.device import compiling
from jobs.training.network.attention import position_table
from jobs.training.network.transformer import Layer, Transformer
from planners import Shape, Study

SHAPE = Shape(
    d_model=32, n_layers=1, n_dense_layers=0, n_heads=2, n_kv_heads=2, head_dim=16, d_ff=64, n_experts=8, top_k=2,
    d_expert=32, vocab_size=64,
)  # fmt: skip


@pytest.fixture
def lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that meets all requirements, until a test removes one."""
    monkeypatch.setattr("torch.utils._triton.has_triton", lambda: True)
    monkeypatch.setattr(compiling.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.delenv("CC", raising=False)
    compiling.lacks.cache_clear()
    yield
    compiling.lacks.cache_clear()


def test_a_gpu_compiles_supported_blocks(lacks: None, tiny_study: Study) -> None:
    spec, gpu = replace(tiny_study.runs()[0]), torch.device("cuda")
    assert compiling.compiles(Execution(), spec, gpu)
    assert not compiling.compiles(Execution(), spec, torch.device("cpu"))
    assert not compiling.compiles(Execution(compile=False), spec, gpu)
    assert compiling.compiles(Execution(compile=True), spec, torch.device("cpu"))
    assert not compiling.compiles(Execution(), tiny_study.runs()[1], gpu)  # experts in fp32


@pytest.mark.parametrize("missing", ["Triton", "a C compiler", "Python's headers"])
def test_a_missing_requirement_is_reported_once_and_blocks_are_not_compiled(
    missing: str,
    lacks: None,
    tiny_study: Study,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    tmp_path: Path,
) -> None:
    if missing == "Triton":
        monkeypatch.setattr("torch.utils._triton.has_triton", lambda: False)
    elif missing == "a C compiler":
        monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    else:
        monkeypatch.setattr(sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    for _ in range(2):
        assert not compiling.compiles(Execution(), tiny_study.runs()[0], torch.device("cuda"))
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"this machine lacks {missing}" in said


def test_a_compiled_router_has_the_same_gradients() -> None:
    """In fp32 under autocast: by default torch runs a compiled backward pass under the autocast of the forward pass."""
    found = []
    for compiled in (False, True):
        model = Transformer(SHAPE)
        model.initialise(0)
        layer: Layer = model.layers[0].train()
        if compiled:
            compiling.start_afresh()
            layer.compile(fullgraph=True, dynamic=False, backend="aot_eager")
        x = torch.empty(64, 32).normal_(generator=torch.Generator().manual_seed(0)).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            y, routing = layer(x, position_table(SHAPE, 16, x.device, x.dtype), 4)
        (routing.balance + 1e-3 * routing.z_loss + y.square().mean()).backward()
        found.append(layer.ffn.router.weight.grad)
    assert torch.equal(found[0].bfloat16().float(), found[0]) is False
    torch.testing.assert_close(found[1], found[0], rtol=1e-3, atol=1e-6)
