"""Over-training refitted: gold coefficients, the published errors, and sentences on runs with few tokens."""

from dataclasses import replace

import numpy as np
import pytest

from reports.papers.gadre import study
from reports.papers.gadre.claims import claims
from reports.papers.gadre.figures import FIGURES


def test_the_fits_are_the_gold_fits(over_trained: study.Gadre) -> None:
    gold = {"c4_original": (141.277, 189.516, 1.50826, 0.12124), "rpj": (212.236, 366.687, 1.83665, 0.13643)}
    for one in over_trained.trained:
        assert one.fitted.sum() == 5
        np.testing.assert_allclose(list(one.params.values()), gold[one.name], rtol=4e-6, atol=5.1e-6)
    for key, error in study.PUBLISHED_ERRORS.items():
        assert abs(over_trained.error(*key)) == pytest.approx(error, abs=5.1e-5)


def test_sentences_on_few_tokens_follow_the_rows(over_trained: study.Gadre) -> None:
    """Only the larger models at 5 tokens per parameter are far off; a changed row changes the sentence."""
    said = claims(over_trained)[2].found
    assert "at 5: −2.8 to −0.5 % for the smallest model and −14.7 to −4.7 % from 78.9M on; at 10: −1.1" in said
    assert said.endswith("The errors are as small as from 20 on at 10.")
    captions = [figure.caption(over_trained) for figure in FIGURES.values()]
    assert all("at 5: −" in caption and "from 20 on: −" in caption for caption in captions)
    c4 = over_trained.trained[0]
    loss = np.where((c4.M == 10) & c4.smallest, c4.loss * 1.1, c4.loss)
    worse = replace(over_trained, trained=(replace(c4, loss=loss), over_trained.trained[1]))
    assert study.few_tokens(worse.trained) == {5.0: False, 10.0: False}
    assert "at 10: −10.1 to −0.3 %" in claims(worse)[2].found
