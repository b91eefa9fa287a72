"""Hostile, damaged or foreign checkpoints are refused or skipped in one sentence, and execute nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from jobs.training import checkpoint, loop
from planners import Study, UsageError

DENSE = 0


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_hostile_torch_checkpoint_is_skipped_and_not_executed(
    tiny_study: Study, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    marker = tmp_path / "executed"

    class Hostile:
        def __reduce__(self) -> tuple:
            return Path.touch, (marker,)

    spec = tiny_study.runs()[DENSE]
    with pytest.raises(loop.Interrupted):
        loop.train(tiny_study, spec, stop=lambda step: step == 5)
    folder = tiny_study.run_folder(spec.run_id) / "checkpoint"
    checkpoint.save(folder, 9, spec.run_id, {"model": Hostile()})
    torch.load(folder / "step-000000009.pt", weights_only=False)  # it is what it pretends to be
    assert marker.exists()
    marker.unlink()
    assert loop.train(tiny_study, spec).flags == ("resumed",)
    assert not marker.exists()
    assert "step-000000009.pt cannot be read and is skipped" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["another version", "another shape"])
def test_a_checkpoint_that_cannot_be_continued_is_refused(
    tiny_study: Study, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    spec = tiny_study.runs()[DENSE]
    with monkeypatch.context() as patch:
        if kind == "another version":
            patch.setattr(checkpoint, "FORMAT", 1)
        with pytest.raises(loop.Interrupted):
            loop.train(tiny_study, spec, stop=lambda step: step == 5)
    folder = tiny_study.run_folder(spec.run_id) / "checkpoint"
    if kind == "another shape":
        state = checkpoint.load_newest(folder, spec.run_id)
        assert state is not None
        checkpoint.save(folder, 6, spec.run_id, {**state, "model": {"embedding.weight": torch.zeros(2, 2)}})
    files = sorted(folder.iterdir())
    with pytest.raises(UsageError, match=f"{kind}.*remove it"):
        loop.train(tiny_study, spec)
    assert sorted(folder.iterdir()) == files


DAMAGES: dict[str, Callable[[dict], dict]] = {
    "no optimizer": lambda state: {name: value for name, value in state.items() if name != "optimizer"},
    "no progress": lambda state: {**state, "progress": {"step": 5}},
    "unknown progress": lambda state: {**state, "progress": {**state["progress"], "other": 1}},
    "a step beyond the end": lambda state: {**state, "progress": {**state["progress"], "step": 10**9}},
    "weights that are none": lambda state: {**state, "model": "weights"},
    "an empty optimizer": lambda state: {**state, "optimizer": {"state": {}, "param_groups": []}},
    "an invalid length": lambda state: {**state, "metrics_bytes": "all"},
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_checkpoint_with_damaged_content_is_refused(tiny_study: Study, kind: str) -> None:
    spec = tiny_study.runs()[DENSE]
    with pytest.raises(loop.Interrupted):
        loop.train(tiny_study, spec, stop=lambda step: step == 5)
    folder = tiny_study.run_folder(spec.run_id) / "checkpoint"
    state = checkpoint.load_newest(folder, spec.run_id)
    assert state is not None
    checkpoint.save(folder, 6, spec.run_id, DAMAGES[kind](state))
    rows = (tiny_study.run_folder(spec.run_id) / "metrics.jsonl").read_bytes()
    with pytest.raises(UsageError, match=r"is damaged.*remove it"):
        loop.train(tiny_study, spec)
    assert (tiny_study.run_folder(spec.run_id) / "metrics.jsonl").read_bytes() == rows


def test_a_single_wrong_bit_of_a_checkpoint_is_detected(tiny_study: Study, capsys: pytest.CaptureFixture) -> None:
    spec = tiny_study.runs()[DENSE]
    for steps in (5, 6):
        with pytest.raises(loop.Interrupted):
            loop.train(tiny_study, spec, stop=lambda step, steps=steps: step == steps)
    folder = tiny_study.run_folder(spec.run_id) / "checkpoint"
    newest = sorted(folder.iterdir())[-1]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 0x40  # in the middle of a tensor
    newest.write_bytes(content)
    state = checkpoint.load_newest(folder, spec.run_id)
    assert state is not None
    assert state["step"] == 5
    assert "checksum" in capsys.readouterr().err


def test_a_full_disk_is_raised_as_an_os_error(tmp_path: Path) -> None:
    class FullDisk:
        def write(self, data: bytes) -> int:
            raise OSError(28, "No space left on device")

        def flush(self) -> None:
            pass

    with pytest.raises(OSError, match="No space left"):
        checkpoint._write({"step": 1}, FullDisk())  # type: ignore[arg-type]
