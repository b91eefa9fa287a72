"""The sentence on the optimum says what the fit says and no more, in every status."""

import re
from dataclasses import replace

import pytest

from fits import fit_law
from planners import Study
from reports.study.answer import answer
from reports.study.evidence import read_evidence
from reports.study.figures import FIGURES
from reports.study.tables import make_tables

NONE: dict[str, object] = {"value": None, "lo": None, "hi": None, "region": None}


def with_optimum(study: Study, **changes: object) -> str:
    """Return the answer with another optimum in place of the fitted one."""
    evidence = read_evidence(study)
    (fit,) = evidence.fits
    assert fit.optimum is not None
    changed = replace(fit, optimum=replace(fit.optimum, **changes))  # type: ignore[arg-type]
    return answer(replace(evidence, fits=(changed,))).text


def test_converged_optimum_has_interval_n_region_and_both_sides(wide: Study) -> None:
    said = answer(read_evidence(wide))
    assert re.fullmatch(
        r"The loss is lowest at an activation rate of [\d.]+ % \(95 % interval [\d.]+ % to [\d.]+ %\)\.", said.sentence
    )
    assert "are within the margin of 0.005 nats/token" in said.points[0]
    assert said.points[1].startswith("Left of the lowest arm: clear.")
    assert said.points[2].startswith("Right of the lowest arm: clear.")
    (basis,) = said.details
    assert "15 MoE runs" in basis
    assert "; the answer's interval assumes a curve with one minimum." in basis
    assert re.search(r"Other curves of the same runs: cubic [\d.]+ % \([\d.]+ % to [\d.]+ %\), ", basis)
    assert "nats with the 3 seeds as blocks" in basis
    assert (
        "The intervals of leads take dense and MoE as independent (Welch) and are widened for the choice among arms; "
        "n = 3 seeds." in said.points
    )


@pytest.mark.parametrize(
    ("changes", "words", "never"),
    [
        ({**NONE, "status": "no_minimum", "reason": "it bends"}, "No optimum is claimed. It bends.", "fitted loss"),
        ({**NONE, "status": "not_identified", "reason": "no bound"}, "No optimum is claimed. No bound.", "fitted loss"),
        ({**NONE, "status": "edge", "edge": "low", "hi": 0.13}, "low end of the sampled rates (12.5 %)", "claimed"),
        ({**NONE, "status": "edge", "edge": "low", "hi": 0.13}, "at most 13 %", "claimed"),
        ({**NONE, "status": "edge", "edge": "high", "lo": 0.5}, "at least 50 %", "claimed"),
        ({"lo": None}, "below the lowest sampled rate (12.5 %) to", "The loss"),
        ({"hi": None}, "to beyond the highest sampled rate (60.8 %)", "The loss"),
        ({"hi": None}, "but the runs do not show a minimum on both sides", "claimed"),
        ({"region": None}, "The loss is lowest at", "margin"),
    ],
)  # fmt: skip
def test_each_status_has_its_words(wide: Study, changes: dict[str, object], words: str, never: str) -> None:
    text = with_optimum(wide, **changes)
    assert words in text
    assert never not in text


def test_rates_that_do_as_well_and_the_optimum_without_blocks_have_intervals(wide: Study) -> None:
    between = ((None, 0.19), (0.24, 0.26))
    said = with_optimum(wide, region=(0.18, 0.25), region_ends=between)
    assert "Rates from 18 % (95 %: below 19 %) to 25 % (95 %: 24 % to 26 %) are within the margin of 0.005" in said
    evidence = read_evidence(wide)
    result = evidence.fits[0]
    assert result.blocks is not None
    plain = replace(result.blocks.plain, value=0.2, lo=None, hi=0.3)
    other = replace(result, blocks=replace(result.blocks, plain=plain))
    (basis,) = answer(replace(evidence, fits=(other,))).details
    assert "Minimum without blocks: 20 % (95 % interval below the lowest sampled rate (12.5 %) to 30 %)." in basis
    rows = {row[1]: row for row in make_tables(evidence)["fit"].rows}
    assert result.optimum is not None
    assert result.optimum.region_ends is not None
    assert rows["low end of rates within 0.005"][3:5] == result.optimum.region_ends[0]


def test_the_assumption_of_the_interval_is_said(wide: Study) -> None:
    """Where the law is the reference, its interval assumes its shape; another curve's rate may lie outside it."""
    evidence = read_evidence(wide)
    result = fit_law(evidence.table, "cubic", margin=0.005)
    assert result.optimum is not None
    rows = tuple(replace(row, value=0.3) if row.law == "quadratic" else row for row in result.sensitivity)
    cubic = replace(result, series=evidence.fits[0].series, sensitivity=rows)
    found = replace(evidence, fits=(cubic,))
    (basis,) = answer(found).details
    assert "; the answer's interval assumes a curve with one minimum." in basis
    assert "each interval assumes its own curve. Outside the answer's interval: quadratic." in basis
    note, caption = make_tables(found)["curves"].note, FIGURES["curves"].caption(found)
    assert note.endswith("; the answer's interval assumes a curve with one minimum.")
    assert "; the answer's interval assumes a curve with one minimum. An arrow" in caption
    assert "does not" not in note + caption


def test_fit_without_optimum_claims_none(wide: Study) -> None:
    evidence = read_evidence(wide)
    bare = replace(evidence.fits[0], law="chinchilla", optimum=None)
    said = answer(replace(evidence, fits=(bare,))).sentence
    assert said == "No optimum is claimed: the fitted law (chinchilla) has no optimum."
