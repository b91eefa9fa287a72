"""Status and cause are codes with their words, in memory and in a file."""

import json

import pytest

from fits.result import Param
from fits.status import Status, Why
from planners.records.errors import UsageError
from planners.records.json import from_json, to_json


def test_a_status_is_its_code_and_has_words_and_a_meaning() -> None:
    assert Status.NOT_IDENTIFIED == "not_identified"
    assert Status.NOT_IDENTIFIED.words == "not identified"
    assert all(status.meaning[0].islower() for status in Status)
    with pytest.raises(UsageError, match="'fine' is not one of converged, at_bound"):
        Status("fine")


def test_a_status_goes_through_json_as_its_code() -> None:
    param = Param(name="a", value=1.0, status=Status.FIXED)
    assert type(to_json(param)["status"]) is str
    read = from_json(Param, json.loads(json.dumps(to_json(param))))
    assert read == param
    assert read.status is Status.FIXED
    with pytest.raises(UsageError, match="field 'status' is \"fine\""):
        from_json(Param, to_json(param) | {"status": "fine"})


def test_a_cause_makes_its_sentence_from_the_facts() -> None:
    cause = Why.FEW_RATES.because(least=4, rates=3)
    assert cause["why"] is Why.FEW_RATES
    assert cause["reason"] == "4 coefficients need at least 4 different rates, and there are 3; add rates"


@pytest.mark.parametrize("why", Why)
def test_sentences_can_be_embedded_in_a_longer_one(why: Why) -> None:
    assert not why.template.endswith(".")
    assert not why.template[0].isupper()
