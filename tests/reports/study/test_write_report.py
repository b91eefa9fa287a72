"""A report of an incomplete study says what is missing in one sentence and never ends in a traceback."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from report_checks import evidence_of

from jobs.record import RunRecord
from planners import Question, RunSpec, Study, UsageError, preset
from reports import write_report
from reports.study.answer import answer
from reports.study.evidence import read_evidence
from scaling import cli

Make = Callable[..., Study]
pytestmark = pytest.mark.usefixtures("sketched")


def lost(state: str) -> Callable[[RunSpec, RunRecord], RunRecord]:
    """Return a change that ends every run in `state`."""

    def change(spec: RunSpec, made: RunRecord) -> RunRecord:
        return replace(made, state=state, loss=None, bpb=None, routing=None, error="why <it> ended")

    return change


def asked(*top_ks: int, **changes: object) -> Question:
    return replace(preset("smoke"), top_ks=top_ks, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", ["failed", "diverged"])
def test_a_study_without_a_finished_run_names_them_all(make: Make, tmp_path: Path, state: str) -> None:
    study = make(tmp_path / "lost", preset("smoke"), lambda spec: 3.0, change=lost(state))
    assert cli.main(["report", str(study.folder)]) == cli.GAPS
    text = (study.report / "report.html").read_text()
    assert "Partial: 0 of 4 planned runs done." in text
    assert text.count(f"{state}: why &lt;it&gt; ended") == 4
    assert "No optimum is claimed: no MoE run is done." in text


@pytest.mark.parametrize(("top_ks", "words"), [((0,), "no MoE run was planned"), ((4,), "no dense run was planned")])
def test_a_study_with_one_arm(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str], top_ks: tuple[int, ...], words: str
) -> None:
    study = make(tmp_path / "one", asked(*top_ks), lambda spec: 3.0, fit=False)
    assert cli.main(["report", str(study.folder)]) == cli.GAPS
    text = (study.report / "report.md").read_text()
    assert "Only one arm was planned, so it cannot be compared with another." in text
    assert "Only one arm was planned" in (study.report / "report.html").read_text()
    assert "Only one arm was planned" in capsys.readouterr().out
    assert json.loads((study.report / "summary.json").read_text())["complete"] is False
    assert f"No lead of MoE over dense can be stated: {words}." in text
    assert "No optimum is claimed" in text


def test_two_rates_have_no_sides(make: Make, tmp_path: Path) -> None:
    study = make(tmp_path / "two", asked(0, 1, 4), lambda spec: 3.0, fit=False)
    assert cli.main(["report", str(study.folder)]) == cli.DONE
    assert "side" not in (study.report / "report.md").read_text().split("## ")[0].replace("outside", "").replace(
        "beside", ""
    )


def test_an_empty_study_says_so(make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = make(tmp_path / "empty", preset("smoke"), lambda spec: 3.0, change=lambda spec, made: None)
    assert cli.main(["report", str(study.folder)]) == cli.USAGE
    assert "no run of" in capsys.readouterr().err
    assert not study.report.exists()


@pytest.mark.parametrize("name", ["study.json", "plan.jsonl", "record", "fits/fits.json"])
@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": "done"}', '"text"', "\x00"])
def test_a_corrupt_file_is_named(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: str
) -> None:
    study = make(tmp_path / "corrupt", preset("smoke"), lambda spec: 3.0 + spec.r_a)
    first = study.runs()[1].run_id
    path = study.run_folder(first) / "record.json" if name == "record" else study.folder / name
    path.write_text(content)
    code = cli.main(["report", str(study.folder)])
    said = capsys.readouterr().err
    assert code == cli.USAGE
    assert said.startswith("error: ")
    assert path.name in said
    assert len(said.splitlines()) == 1


def test_fits_of_an_earlier_version_are_to_be_made_again(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = make(tmp_path / "old", preset("smoke"), lambda spec: 3.0 + spec.r_a)
    (study.fits / "fits.json").rename(study.fits / "cubic-C1e12.json")
    assert cli.main(["report", str(study.folder)]) == cli.USAGE
    assert f"earlier version; fit again with: python -m scaling.fit {study.folder}" in capsys.readouterr().err


def test_garbage_among_the_metrics_is_left_out(make: Make, tmp_path: Path) -> None:
    study = make(tmp_path / "garbage", preset("smoke"), lambda spec: 3.0)
    lines = [
        1,
        None,
        [],
        {"D": "x", "loss": 1},
        {"D": -1, "loss": 2},
        {"D": 128, "loss": None},
        {"D": 128, "loss": 5.0},
    ]
    for spec in study.runs():
        text = "\n".join(map(json.dumps, lines)) + '\n{"D": 1e999, "loss": NaN}\n'
        (study.run_folder(spec.run_id) / "metrics.jsonl").write_text(text)
    assert cli.main(["report", str(study.folder)]) == cli.DONE


@pytest.mark.parametrize("words", [[], ["x", "--gallery"], ["--reproduce", "li2025", "--gallery"]])
def test_one_report_at_a_time(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", *words]) == cli.USAGE
    assert "give one of" in capsys.readouterr().err


def test_an_unknown_reproduction_lists_the_known(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["report", "--reproduce", "nobody", "-o", str(tmp_path / "x")]) == cli.USAGE
    assert "li2025" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.usefixtures("sketched")
def test_partial_names_each_run_with_its_reason(broken: Study) -> None:
    report = write_report(broken)
    assert not report.complete
    assert report.answer.startswith("Partial: 1 of 4 planned runs done.")
    text = (report.folder / "report.html").read_text() + (report.folder / "report.md").read_text()
    for part in ("K1 seed 0", "it has no record yet", "failed: out of memory", "diverged: loss is NaN at step 7"):
        assert text.count(part) == 2
    assert sum("--retry" in (step.command or "") for step in answer(read_evidence(broken)).steps) == 1
    assert evidence_of(broken, "runs") == "1 of 4 planned runs done, 1 diverged, 1 failed, 1 missing."


def test_no_study_and_no_record_are_usage_errors(make: Make, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no study"):
        write_report(Study(tmp_path / "nowhere"))
    empty = make(tmp_path / "empty", preset("smoke"), lambda spec: 3.0, change=lambda spec, made: None)
    with pytest.raises(UsageError, match=r"nothing to report; train them with: python -m scaling.sweep .* --go"):
        write_report(empty)
    assert not empty.report.exists()


@pytest.mark.usefixtures("sketched")
def test_simulated_runs_are_said_to_be(make: Make, tmp_path: Path) -> None:
    study = make(
        tmp_path / "sim",
        preset("smoke"),
        lambda spec: 3.0,
        change=lambda spec, made: replace(made, flags=("simulated",)),
    )
    report = write_report(study)
    assert "Simulated" in report.answer
    assert "measured here" not in (report.folder / "report.html").read_text()
