"""Learning rate and batch: every pair, the best one, and whether it lies between others that were tried."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from planners import RunSpec, Study, preset
from reports.study.evidence import read_evidence
from reports.study.evidence.learning_rates import tuned_arms
from reports.study.tables import make_tables

ASKED = replace(preset("laptop-tuning"), study="tuning", eval_windows=64)
Make = Callable[..., Study]


def bowl(lr: float, batch: float) -> Callable[[RunSpec], float]:
    """Return losses that are lowest at that share of the rule's learning rate, and at that many tokens."""

    def loss(spec: RunSpec) -> float:
        rule = 0.2 / spec.shape.d_model
        return 2 + math.log(spec.training.lr / rule / lr) ** 2 + 0.1 * math.log(spec.training.batch_tokens / batch) ** 2

    return loss


def by_arm(study: Study) -> dict[str, dict[str, object]]:
    table = make_tables(read_evidence(study))["tuned"]
    names = [column.name for column in table.columns]
    return {str(row[0]): dict(zip(names, row, strict=True)) for row in table.rows}


def test_a_rule_that_is_best_loses_nothing_and_is_bracketed(make: Make, tmp_path: Path) -> None:
    rows = by_arm(make(tmp_path / "s", ASKED, bowl(1.0, 400), fit=False))
    assert list(rows) == ["dense", "K1", "K2", "K4", "K8", "K16", "dense optimal", "dense N_a of K4"]
    for arm in ("K1", "K2", "K4", "K8"):
        assert (rows[arm]["rule_loses"], rows[arm]["lr_closed"], rows[arm]["batch_closed"]) == (0, "yes", "yes")
        assert rows[arm]["pairs"] == 7


def test_a_best_pair_at_the_end_is_not_bracketed_and_a_batch_of_one_sequence_is(make: Make, tmp_path: Path) -> None:
    rows = by_arm(make(tmp_path / "s", ASKED, bowl(2.0, 64), fit=False))
    assert rows["dense"]["best_batch_tokens"] == 128
    assert (rows["dense"]["lr_closed"], rows["dense"]["batch_closed"]) == ("no", "yes")
    assert rows["K4"]["best_lr"] == pytest.approx(2 * 0.2 / 32)
    assert rows["K4"]["parabola_lr"] is None
    assert rows["K4"]["rule_loses"] == pytest.approx(math.log(2) ** 2)


def test_the_parabola_finds_a_rate_between_those_that_were_tried(make: Make, tmp_path: Path) -> None:
    rows = by_arm(make(tmp_path / "s", ASKED, bowl(1.2, 400), fit=False))
    assert rows["K4"]["parabola_lr"] == pytest.approx(1.2 * 0.2 / 32)


def test_all_pairs_are_listed_with_the_rule_s_own(make: Make, tmp_path: Path) -> None:
    evidence = read_evidence(make(tmp_path / "s", ASKED, bowl(1.0, 400), fit=False))
    table = make_tables(evidence)["tuning"]
    assert len(table.rows) == 56
    assert sum(row[6] == "yes" for row in table.rows) == 8
    assert all(len(each.tried) == 7 for each in tuned_arms(evidence))


def test_a_study_without_tuning_has_no_such_table(smoke: Study) -> None:
    evidence = read_evidence(smoke)
    assert not {"tuned", "tuning"} & set(make_tables(evidence))


def test_runs_at_other_learning_rates_are_in_no_curve(make: Make, tmp_path: Path) -> None:
    from fits import read_table
    from fits.runs.series import series
    from jobs.record import collect

    study = make(tmp_path / "s", ASKED, bowl(1.0, 400), fit=False)
    collect(study)
    parts = series(read_table(study.runs_csv))
    assert [str(key) for key in parts] == [""]
    assert sorted(next(iter(parts.values())).frame["arm"]) == sorted(
        ["dense", "dense N_a of K4", "dense optimal", "K1", "K16", "K2", "K4", "K8"]
    )
