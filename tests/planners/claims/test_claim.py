import pytest

from planners.claims import CLAIMS, Claim, Contrast, Term, check_claims, claims_of, column_source
from planners.claims.claim import less, mean_of, trend
from planners.records.errors import UsageError

EVERY = [claim for table in CLAIMS.values() for claim in table]


def test_the_tables_hold_69_claims_with_their_own_ids() -> None:
    assert [len(CLAIMS[name]) for name in CLAIMS] == [24, 19, 13, 13]
    assert len({claim.id for claim in EVERY}) == 69
    assert {claim.study for claim in EVERY} == set(CLAIMS)


@pytest.mark.parametrize("claim", EVERY, ids=lambda claim: claim.id)
def test_weights_sum_to_zero_or_the_contrast_is_against_a_number(claim: Claim) -> None:
    for contrast in claim.contrasts:
        total = sum(term.weight for term in contrast.terms)
        assert total == pytest.approx(0, abs=1e-12) or (total == pytest.approx(1) and contrast.against)
        assert all(column_source(term.column) for term in contrast.terms)


def test_terms_of_differences_and_means() -> None:
    one, other = less("a", "b", "loss", 0.5)
    assert (one.weight, one.arm, other.weight, other.arm) == (0.5, "a", -0.5, "b")
    assert [term.weight for term in mean_of(["a", "b", "c", "d"], "loss", -1.0)] == [-0.25] * 4


def test_a_trend_over_a_straight_line_is_the_change_from_first_to_last() -> None:
    values = {"a": 1.0, "b": 3.0, "c": 5.0, "d": 7.0}
    terms = trend([(Term(weight=1.0, arm=arm, column="loss"),) for arm in values])
    assert sum(term.weight * values[term.arm] for term in terms) == pytest.approx(6.0)


def test_a_claim_that_names_an_unknown_arm_or_column_is_refused() -> None:
    claim = Claim(
        id="X1", says="x", where="A:1", study="s",
        contrasts=(Contrast(terms=less("a", "b", "until.tokens_50.arith"), side=1),),
    )  # fmt: skip
    check_claims([claim], ["a", "b"])
    with pytest.raises(UsageError, match="names the arm 'b'"):
        check_claims([claim], ["a"])
    wrong = Claim(
        id="X2", says="x", where="A:1", study="s", contrasts=(Contrast(terms=less("a", "b", "lose"), side=1),)
    )
    with pytest.raises(UsageError, match="column 'lose'"):
        check_claims([wrong], ["a", "b"])
    with pytest.raises(UsageError, match="not one of task-conflict"):
        claims_of("task")


def test_only_a_tested_claim_has_contrasts() -> None:
    with pytest.raises(UsageError, match="has 0 contrasts"):
        Claim(id="X", says="x", where="A:1", study="s")
    with pytest.raises(UsageError, match="side"):
        Contrast(terms=less("a", "b", "loss"), side=0)
