"""Units that cannot be right are refused with the line that repairs them; right ones are not."""

import pytest

from fits import read_table
from planners.records.errors import UsageError

GRID = [(N, D) for N in (5e7, 2e8, 8e8, 3.2e10) for D in (1e9, 4e9, 2e10)]


def rows(n=1.0, d=1.0, loss=lambda value: value, name="loss"):
    return [{"N": N * n, "D": D * d, name: loss(1.7 + 400 / N**0.34 + 400 / D**0.28)} for N, D in GRID]


def refusal(runs, columns=None):
    with pytest.raises(UsageError) as caught:
        read_table(runs, columns)
    return str(caught.value)


@pytest.mark.parametrize(
    ("n", "d", "cure"),
    [
        (1e-6, 1.0, "N=N*1e6"), (1e-9, 1.0, "N=N*1e9"), (1e-6, 1e-9, "N=N*1e6,D=D*1e9"), (1.0, 1e-9, "D=D*1e9"),
        (1e-9, 1e-9, "N=N*1e6,D=D*1e9"),
    ],
)  # fmt: skip
def test_millions_and_billions_are_refused_with_the_cure(n, d, cure):
    assert cure in refusal(rows(n, d))


def test_the_cure_keeps_the_columns_that_were_named():
    named = [{"size": row["N"], "tokens": row["D"], "val": row["loss"]} for row in rows(1.0, 1e-9)]
    message = refusal(named, {"N": "size", "D": "tokens", "loss": "val"})
    assert "--columns 'N=size,D=tokens*1e9,loss=val'" in message


def test_a_ratio_is_not_a_number_of_tokens():
    ratios = [{"N": row["N"], "tokens per param": row["D"] / row["N"], "loss": row["loss"]} for row in rows()]
    assert "'D=tokens per param*N'" in refusal(ratios, {"D": "tokens per param"})
    assert read_table(ratios, {"D": "tokens per param*N"}).numbers("D") == pytest.approx([D for _, D in GRID])


def test_mixed_units_in_one_column_are_refused():
    mixed = [row | {"N": row["N"] / 1e6 if row["N"] == 8e8 else row["N"]} for row in rows()]
    assert "N mixes units: 3 of 12" in refusal(mixed)
    assert len(read_table(mixed, where=["N>=5e7"])) == 9


def test_perplexities_are_refused_with_their_logarithm():
    def exp(value):
        return 2.718281828459045**value

    assert "'loss=ln(ppl)'" in refusal(rows(loss=exp, name="ppl"), {"loss": "ppl"})
    assert "'loss=ln(loss)'" in refusal(rows(loss=lambda value: exp(value + 3)))
    one = [row | {"loss": 26.2 if at == 0 else row["loss"]} for at, row in enumerate(rows())]
    assert "1 of 12 losses" in refusal(one)
    assert len(read_table(one, where=["loss<=12.5"])) == 11


def test_right_units_and_tables_of_our_own_are_read():
    assert len(read_table(rows())) == 12
    assert len(read_table([{"N": 5e4, "D": 1e6, "loss": 5.0}, {"N": 1e5, "D": 4e6, "loss": 4.5}])) == 2
    assert len(read_table([{"N": 50.0, "D": 10.0, "N_vocab": 5.0, "loss": 5.0}])) == 1
