"""Released models: their counts equal what their authors and transformers state."""

import pytest

from planners.published.models import released_models

STATED = {  # (total in billions, active share of all parameters in %), as the models are described by their authors
    "Mixtral 8x7B": (46.7, 27.6),
    "Qwen3-235B-A22B": (235.1, 9.4),
    "DeepSeek-V3": (671.0, 5.6),
    "Kimi K2": (1026.4, 3.2),
    "gpt-oss-120b": (116.8, 4.9),
    "OLMoE-1B-7B": (6.9, 18.5),
    "Llama 4 Scout": (107.8, 15.9),
}


def test_about_twenty_models_are_counted_from_their_configurations():
    models = released_models()
    assert sum(model.counted for model in models) >= 20
    assert [model.N for model in models] == sorted(model.N for model in models)
    assert len({model.name for model in models}) == len(models)
    assert all("config.json of " in model.source for model in models if model.counted)


@pytest.mark.parametrize("name", STATED)
def test_counts_agree_with_what_is_stated(name):
    """N leaves the vocabulary out, so it is a little below the stated total."""
    (model,) = [one for one in released_models() if one.name == name]
    total, share = STATED[name]
    assert 0.93 * total < model.N / 1e9 <= total
    assert model.r_a == pytest.approx(share / 100, rel=0.25)


def test_memory_splits_small_models_from_large_ones():
    """Models that fit one device activate a larger share than those that do not."""
    small, large = ([m.r_a for m in released_models() if m.fits_one_device == fits] for fits in (True, False))
    assert sorted(small)[len(small) // 2] > 1.5 * sorted(large)[len(large) // 2]
