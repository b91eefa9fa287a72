"""Two studies side by side: what is compared, how, and what the page says where they match only in part."""

import json
import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import ttest_ind, ttest_rel

from fits.compare.by_seed import BLOCKED, NONE, PAIRED, SAME, WELCH
from jobs.record import DomainLoss, RunRecord
from planners import Question, RunSpec, Study, UsageError
from reports.page.page import to_html
from reports.study.evidence import read_evidence
from reports.study.evidence.arms import Arm
from reports.versus.compare import Versus, against, match
from reports.versus.figures import draw_losses
from reports.versus.page import answer, names, page_of, write_versus
from reports.versus.tables import verdict

Make = Callable[..., Study]


def parabola(best: float, noise: float = 0.002) -> Callable[[RunSpec], float]:
    """Return losses that are lowest at r_a = `best`, with noise by run and by seed; dense lies above."""

    def loss(spec: RunSpec) -> float:
        draw = random.Random(spec.run_id).gauss(0, noise) + random.Random(spec.training.seed).gauss(0, noise)
        return draw + (2.62 if spec.shape.is_dense else 2.5 + 0.03 * math.log(spec.r_a / best) ** 2)

    return loss


def like(of: Study, **changes: object) -> Question:
    """Return the question of a study with some fields changed."""
    return replace(of.asked().question, **changes)  # type: ignore[arg-type]


def compared(a: Study, b: Study) -> Versus:
    return against(read_evidence(a), read_evidence(b))


def losses(arm: Arm, name: str = "loss") -> list[float]:
    return [getattr(record, name) for record in sorted(arm.done, key=lambda record: record.spec.training.seed)]


@pytest.fixture(scope="module")
def after(make: Make, wide: Study, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The wide study at another learning rate, 0.01 lower and lowest at a higher rate. Read only."""
    question = like(wide, study="after", lr=1e-3)
    shape = parabola(0.3)
    return make(tmp_path_factory.mktemp("after") / "after", question, lambda spec: shape(spec) - 0.01)


@pytest.fixture(scope="module")
def other_corpus(make: Make, wide: Study, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The wide study on another corpus: the same names, another fingerprint. Read only."""

    def change(spec: RunSpec, made: RunRecord) -> RunRecord:
        return replace(made, bpb=made.bpb * 0.9 if made.bpb else None)

    folder = tmp_path_factory.mktemp("corpus") / "corpus"
    question = like(wide, study="corpus", data="text:elsewhere")
    return make(folder, question, parabola(0.2), change=change, data="text:elsewhere", fingerprint="1" * 16)


def test_runs_of_one_seed_are_pairs(wide: Study, after: Study) -> None:
    found = compared(wide, after)
    assert found.unit == "loss"
    assert found.paired
    assert len(found.matched) == len(found.a.arms) == 6
    for pair in found.matched:
        a, b = losses(pair.a), losses(pair.b)
        test = ttest_rel(b, a)
        interval = test.confidence_interval(0.95)
        assert pair.difference is not None
        half = pair.difference.half()
        assert half is not None
        assert pair.difference.how == PAIRED
        assert pair.difference.value == pytest.approx(np.mean(b) - np.mean(a))
        assert pair.difference.value - half == pytest.approx(interval.low)
        assert pair.difference.value + half == pytest.approx(interval.high)


def test_the_overall_difference_is_that_of_the_means_by_seed(wide: Study, after: Study) -> None:
    found = compared(wide, after)
    gaps = np.mean([np.subtract(losses(pair.b), losses(pair.a)) for pair in found.matched], axis=0)
    assert found.overall is not None
    half = found.overall.half()
    assert half is not None
    interval = ttest_rel(gaps, np.zeros(3)).confidence_interval(0.95)
    assert (found.overall.value - half, found.overall.value + half) == pytest.approx((interval.low, interval.high))


def test_without_pairs_the_overall_difference_is_between_the_means_of_seeds(wide: Study, other_corpus: Study) -> None:
    """Welch's test of three and three numbers, and not of all the runs as if they were independent."""
    found = compared(wide, other_corpus)
    means = [np.mean([losses(getattr(pair, of), "bpb") for pair in found.matched], axis=0) for of in ("a", "b")]
    interval = ttest_ind(means[1], means[0], equal_var=False).confidence_interval(0.95)
    assert found.overall is not None
    half = found.overall.half()
    assert half is not None
    assert (found.overall.value - half, found.overall.value + half) == pytest.approx((interval.low, interval.high))
    assert (found.overall.how, found.overall.n) == (BLOCKED, 6)


def test_other_corpora_are_compared_in_bits_per_byte_by_welch(wide: Study, other_corpus: Study) -> None:
    found = compared(wide, other_corpus)
    assert found.unit == "bpb"
    assert not found.paired
    assert "losses per token cannot be compared" in found.why
    for pair in found.matched:
        a, b = losses(pair.a, "bpb"), losses(pair.b, "bpb")
        interval = ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
        assert pair.difference is not None
        half = pair.difference.half()
        assert half is not None
        assert pair.difference.how == WELCH
        assert pair.difference.value - half == pytest.approx(interval.low)
        assert pair.difference.value + half == pytest.approx(interval.high)


def test_generated_corpora_that_differ_are_not_compared(make: Make, wide: Study, tmp_path: Path) -> None:
    def change(spec: RunSpec, made: RunRecord) -> RunRecord:
        return replace(made, domains={"all": DomainLoss(loss=2.0, bpb=2.9, tokens=100, floor=1.0)})

    question = like(wide, study="made", seeds=(0,))
    made = make(tmp_path / "made", question, parabola(0.2), change=change, fit=False, fingerprint="2" * 16)
    report = write_versus(wide, made, tmp_path / "out")
    assert "the losses cannot be compared" in report.answer
    assert "no loss is compared" in report.answer
    assert not [name for name in report.files if name.startswith("figures/")]


def test_arms_match_in_part_and_the_rest_is_named(make: Make, wide: Study, tmp_path: Path) -> None:
    question = like(wide, study="part", activations=(1.0, 0.121, 0.25, 0.9), seeds=(0, 1))
    part = make(tmp_path / "part", question, parabola(0.2), fit=False)
    found = compared(wide, part)
    assert {pair.by for pair in found.matched} == {"name"}
    assert {pair.difference.n for pair in found.matched if pair.difference} == {2}
    assert len(found.only_a) == len(found.a.arms) - len(found.matched) > 0
    assert len(found.only_b) == len(found.b.arms) - len(found.matched)
    page = page_of(found, {})
    items = next(section.items for section in page.parts if section.title == "Arms without a counterpart")
    assert [item.split(" (")[0] for item in items] == [
        *(f"only in A: {arm.label}" for arm in found.only_a),
        *(f"only in B: {arm.label}" for arm in found.only_b),
    ]
    assert not page.gaps


def test_arms_of_other_names_match_by_their_numbers(wide: Study) -> None:
    arms = read_evidence(wide).arms
    renamed = [replace(arm, name=f"arm {at}", label=f"arm {at}") for at, arm in enumerate(arms)]
    found = match(arms, list(reversed(renamed)))
    assert [(one.name, other.spec.r_a, by) for one, other, by in found] == [
        (arm.name, arm.spec.r_a, "numbers") for arm in arms
    ]
    twice = [replace(arms[0], name="a"), replace(arms[0], name="b")]
    assert len(match(arms, twice)) == 1


def test_one_seed_gives_no_interval(make: Make, wide: Study, tmp_path: Path) -> None:
    one = make(tmp_path / "one", like(wide, study="one", seeds=(0,), lr=1e-3), parabola(0.2), fit=False)
    found = compared(wide, one)
    for pair in found.matched:
        assert pair.difference is not None
        assert pair.difference.how == NONE
        assert pair.difference.half() is None
        assert pair.difference.value == pytest.approx(losses(pair.b)[0] - losses(pair.a)[0])  # of the seed they share
        assert verdict(pair, found) == "one seed"
    assert found.overall is not None
    assert found.overall.half() is None


def test_the_same_runs_in_both_studies_say_nothing(make: Make, wide: Study, tmp_path: Path) -> None:
    again = make(tmp_path / "again", like(wide, study="again"), parabola(0.2))
    found = compared(wide, again)
    assert {pair.difference.how for pair in found.matched if pair.difference} == {SAME}
    assert found.overall is None
    assert "are the same runs in both studies" in answer(found)


def test_what_differs_is_listed_field_by_field(make: Make, wide: Study, tmp_path: Path) -> None:
    question = like(wide, study="decay", weight_decay=0.01)
    decay = make(tmp_path / "decay", question, parabola(0.2), fit=False)
    fields = {(each.where, each.name): (each.a, each.b, each.arms) for each in compared(wide, decay).fields}
    assert fields == {
        ("question", "weight_decay"): ("none", "0.01", None),
        ("runs", "weight_decay"): ("0.1", "0.01", 6),
    }


def test_r_a_star_of_both_and_whether_it_moved(wide: Study, after: Study, tmp_path: Path) -> None:
    report = write_versus(wide, after, tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    ((_, moved),) = summary["optimum"].items()
    found = compared(wide, after)
    ends = [each.answering[0].optimum for each in (found.a, found.b)]
    assert ends[0] is not None
    assert ends[1] is not None
    assert ends[0].value is not None
    assert ends[1].value is not None
    assert moved["ratio"] == pytest.approx(ends[1].value / ends[0].value)
    assert moved["verdict"] == ("differ" if moved["lo"] and moved["lo"] > 1 else "not told apart")
    assert "r_a* of B is" in report.answer
    assert report.complete
    forms = {f"figures/versus_arms.{form}" for form in ("svg", "pdf", "png")}
    forms |= {
        f"tables/versus_{name}.{form}" for name in ("arms", "fields", "optimum", "cost") for form in ("csv", "tex")
    }
    assert forms <= set(report.files)


def test_a_study_against_itself_or_nothing_is_refused(wide: Study, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is both studies; name another one"):
        write_versus(wide, Study(wide.folder), tmp_path / "out")
    with pytest.raises(UsageError):
        write_versus(wide, Study(tmp_path / "nowhere"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_runs_are_named_on_top(broken: Study, smoke: Study) -> None:
    page = page_of(compared(smoke, broken), {})
    assert page.state == ("Partial: 3 planned runs of the two studies not done.",)
    assert all(gap.startswith("B: ") for gap in page.gaps)
    assert "loss is NaN at step 7" in to_html(page)


def test_names_of_studies_are_inert(make: Make, wide: Study, tmp_path: Path) -> None:
    name = '<script>alert("x")</script> $x_1$'
    evil = make(tmp_path / "evil", like(wide, study=name, lr=1e-3), parabola(0.2), fit=False)
    found = compared(wide, evil)
    assert names(found) == ("wide", name)
    assert "<script>alert" not in to_html(page_of(found, {}))


def test_only_shared_budgets_are_drawn_and_repeated_data_apart(make: Make, wide: Study, tmp_path: Path) -> None:
    question = like(wide, study="grid", budgets=(3e13, 6e13), repeat=("K4",))
    grid = make(tmp_path / "grid", question, parabola(0.2), fit=False)
    figure = Figure()
    axes = figure.subplots()
    draw_losses(compared(wide, grid), axes)
    lines = [line for line in axes.lines if line.get_linestyle() != "None" and len(line.get_xdata()) == 5]
    assert len(lines) == 2, "a line of five rates for each study"
    drawn = sum(len(line.get_ydata()) for line in axes.lines if line.get_linestyle() == "None")
    here = [arm for arm in read_evidence(grid).arms if arm.is_compared and arm.spec.budget == 3e13]
    assert drawn == len(read_evidence(wide).runs) + sum(len(arm.done) for arm in here)
