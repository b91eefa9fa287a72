"""A study of claims answers with its verdicts: on the page, on the terminal and for machines, and not with a rate."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from report_checks import verdicts

from jobs.record import RunRecord
from planners import Question, RunSpec, Study, preset
from planners.claims import Contrast, claims_of
from planners.claims.claim import Term, less
from reports.page.figure import drawn
from reports.study.claims import compared
from reports.study.evidence import read_evidence
from reports.study.figures import FIGURES
from scaling import cli

Make = Callable[..., Study]


def question(seeds: int = 4) -> Question:
    return preset("task-conflict", "smoke").with_seeds(seeds)


def solved(late: str, never: str = "") -> Callable[[RunSpec, RunRecord], RunRecord]:
    """Return records that reach half of the answers: the arm `late` at 1.5 times the tokens, `never` not at all."""

    def change(spec: RunSpec, made: RunRecord) -> RunRecord:
        tokens = 9000.0 * (1.5 if spec.arm == late else 1) * (1 + 0.01 * spec.training.seed * (spec.arm == late))
        return replace(made, until={} if spec.arm == never else {"tokens_50": tokens, "flops_50": 8e5 * tokens})

    return change


def judged(make: Make, folder: Path, change: Callable[..., RunRecord]) -> tuple[Study, dict[str, str]]:
    study = make(folder, question(), lambda spec: 2.0, change=change, fit=False)
    return study, {one.claim.id: one.word for one in read_evidence(study).verdicts}


@pytest.mark.usefixtures("sketched")
def test_the_page_the_terminal_and_the_json_give_the_verdicts(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, words = judged(make, tmp_path / "conflict", solved("hard E8"))
    assert words["T4"] == "holds"
    assert cli.main(["report", str(study.folder)]) == cli.GAPS  # what was not measured is a gap
    said = capsys.readouterr().out
    assert "holds           T4: A mixture converges later (effect +0.4" in said
    text = (study.report / "report.md").read_text()
    assert "Of 24 claims " in text
    assert "optimum" not in text.lower()
    assert "## Claims" in text
    assert "Not measured yet, so without a verdict: T3" in text
    assert {"rates on target", "budgets", "fit"}.isdisjoint(verdicts(study))
    claims = json.loads((study.report / "summary.json").read_text())["claims"]
    found = {claim["id"]: claim for claim in claims}
    assert list(found) == [claim.id for claim in claims_of("task-conflict")]
    keys = ["id", "says", "where", "verdict", "value", "lo", "hi", "n", "margin", "matching", "needs"]
    assert set(keys) <= set(found["T4"])
    assert (found["T4"]["n"], found["T4"]["margin"], found["T9"]["verdict"]) == (4, 0.1, "not run")
    assert found["T4"]["lo"] < found["T4"]["value"] < found["T4"]["hi"]
    cli.main(["report", str(study.folder), "--json"])
    assert json.loads(capsys.readouterr().out)["claims"] == claims


def test_changing_the_runs_changes_the_verdict(make: Make, tmp_path: Path) -> None:
    _, slower = judged(make, tmp_path / "slower", solved("hard E8"))
    _, faster = judged(make, tmp_path / "faster", solved("hard dense"))
    assert (slower["T4"], faster["T4"]) == ("holds", "does not hold")


def test_the_figure_has_a_row_and_an_interval_for_each_tested_claim(make: Make, tmp_path: Path) -> None:
    study, words = judged(make, tmp_path / "figure", solved("hard E8"))
    evidence = read_evidence(study)
    canvas = drawn(FIGURES["claims"], evidence)
    (axes,) = canvas.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        f"{name}  {word}" for name, word in words.items() if word in ("holds", "does not hold", "cannot be told")
    ]
    (line,) = (line for line in axes.get_lines() if line.get_gid() == "interval T4")
    (found,) = (one for one in evidence.verdicts if one.claim.id == "T4")
    assert found.effect is not None
    low, high = found.effect.ends(found.tried)
    assert line.get_xdata()[0] == pytest.approx((low or 0) / 0.1)  # type: ignore[index]
    assert line.get_xdata()[1] == pytest.approx((high or 0) / 0.1)  # type: ignore[index]
    assert "n = 4 seeds" in FIGURES["claims"].caption(evidence)


def test_an_arm_that_never_gets_there_makes_a_bound(make: Make, tmp_path: Path) -> None:
    study, words = judged(make, tmp_path / "never", solved("hard NC", never="hard E8"))
    (found,) = (one for one in read_evidence(study).verdicts if one.claim.id == "T4")
    assert (words["T4"], found.effect and found.effect.bound, found.effect and found.effect.unreached) == (
        "holds", "at least", 4,
    )  # fmt: skip


def test_a_contrast_is_spelled() -> None:
    terms = (*less("a", "b", "loss", 0.5), Term(weight=1.0, arm="c", column="rank"))
    assert compared(Contrast(terms=terms, side=1, scale="log", against=0.1)) == (
        "ln 0.5 a loss − 0.5 b loss + c rank, less 0.1"
    )
