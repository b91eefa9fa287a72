"""Chinchilla refitted: gold coefficients, the optimum that coefficients give, and claims that follow the numbers."""

from dataclasses import replace

import numpy as np
import pytest

from reports.papers.chinchilla import figures, study
from reports.papers.chinchilla.claims import claims
from reports.papers.claim import AGREES, DIFFERS
from reports.papers.coefficients import Printed


def test_the_fit_is_the_gold_fit(hoffmann: study.Chinchilla) -> None:
    assert hoffmann.fit.objective == pytest.approx(0.000840093120, rel=1e-9)
    assert hoffmann.params["A"] == pytest.approx(442.164, abs=6e-4)
    assert hoffmann.params["B"] == pytest.approx(1271.808, abs=6e-4)
    for name, value in {"E": 1.783894, "alpha": 0.342626, "beta": 0.342002}.items():
        assert hoffmann.params[name] == pytest.approx(value, abs=6e-7)


@pytest.mark.parametrize(("printed", "tokens"), list(zip(study.PRINTED, (92.7, 59.1, 18.4), strict=True)))
def test_the_printed_coefficients_give_the_known_tokens_per_parameter(printed: Printed, tokens: float) -> None:
    """The expected values at 5.76e23 FLOPs were derived elsewhere from the same printed coefficients."""
    found = float(study.tokens_per_parameter(printed.params, study.CHINCHILLA))
    assert found == pytest.approx(tokens, abs=0.06)


def test_the_optimal_size_is_where_the_loss_is_lowest(hoffmann: study.Chinchilla) -> None:
    N = np.geomspace(1e8, 1e11, 40_001)
    for params in hoffmann.coefficients.values():
        loss = study.LAW.loss(params, {"N": N, "D": 1e21 / 6 / N})
        assert float(study.optimal_size(params, 1e21)) == pytest.approx(N[np.argmin(loss)], rel=3e-4)


def test_the_printed_law_misses_its_own_points(hoffmann: study.Chinchilla) -> None:
    verdicts = {claim.where: claim.verdict for claim in claims(hoffmann)}
    assert verdicts["arXiv 2203.15556, approach 3"] == DIFFERS
    assert verdicts["arXiv 2404.10102"] == AGREES
    assert hoffmann.misses(study.ROUNDED.params).mean() > 3 * hoffmann.misses(hoffmann.params).std()


def test_the_caption_computes_what_rounding_the_exponents_does(
    hoffmann: study.Chinchilla, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = figures.FIGURES["chinchilla_allocation"]
    assert "moves the printed law from 59 to 93 tokens per parameter" in figure.caption(hoffmann)
    other = replace(study.ROUNDED, params={**study.ROUNDED.params, "beta": 0.29})
    monkeypatch.setattr(figures, "ROUNDED", other)
    assert "from 59 to 93" not in figure.caption(hoffmann)
