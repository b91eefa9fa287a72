"""The comparison of loss curves, and the sentence where an engine cannot train here."""

import pytest

from jobs.engines import ENGINES
from jobs.engines.curves import lacking, smallest
from jobs.training.loss_curve import loss_curve
from planners import Study
from scaling import cli


def test_an_engine_that_is_not_here_is_named_with_the_command(tiny_study: Study, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["parity", str(tiny_study.folder), "--engine", "megatron"]) == cli.GAPS
    said = capsys.readouterr().err
    assert "not run here: megatron.core is not installed" in said
    assert "python -m scaling.export" in said
    assert cli.main(["parity", str(tiny_study.folder), "--engine", "nemo"]) == cli.USAGE


def test_the_smallest_run_that_an_engine_can_train(tiny_study: Study) -> None:
    runs = tiny_study.runs()
    assert smallest(ENGINES["torchtitan"], runs).spec.shape.is_dense
    moe = [run for run in runs if not run.shape.is_dense]
    assert smallest(ENGINES["torchtitan"], moe).changed
    assert lacking(ENGINES["torchtitan"], smallest(ENGINES["torchtitan"], moe)) is not None


def test_our_curve_is_that_of_the_run(tiny_study: Study) -> None:
    """The metrics of a trained run hold the same losses."""
    from planners.records.files import read_jsonl

    spec = tiny_study.runs()[-1]
    assert cli.main(["train", str(tiny_study.folder), spec.run_id]) == cli.DONE
    lines, _ = read_jsonl(tiny_study.run_folder(spec.run_id) / "metrics.jsonl")
    assert lines[0]["step"] == 1
    losses = loss_curve(spec, 3)
    assert losses == pytest.approx([line["loss"] for line in lines[:3]], rel=1e-6)
