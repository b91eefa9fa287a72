"""The records: strict, frozen, and the same after a journey through JSON and the disk."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fits import Draws, FitResult, Optimum, Param, fit_law, fit_with_draws, read_fit, write_fit
from fits.result import STATUSES, Blocks, LackOfFit, Search
from fits.runs.table import Dropped
from planners.records.errors import UsageError
from planners.records.json import from_json, to_json

number = st.floats(allow_nan=False, allow_infinity=False)
maybe = st.none() | number
ends = st.tuples(maybe, maybe)
status = st.sampled_from(STATUSES)
text = st.text(max_size=8)
optima = st.builds(
    Optimum,
    of=text,
    value=maybe,
    lo=maybe,
    hi=maybe,
    region=st.none() | ends,
    margin=maybe,
    edge=st.sampled_from([None, "low", "high"]),
    status=status,
    reason=text,
)
params = st.builds(Param, name=text, value=maybe, lo=maybe, hi=maybe, status=status)
shapes = st.builds(LackOfFit, F=number, shape_dof=st.integers(1), error_dof=st.integers(1), p=number)
results = st.builds(
    FitResult,
    law=text,
    formula=text,
    source=text,
    data=text,
    n=st.integers(0),
    dof=st.integers(),
    objective=maybe,
    objective_name=text,
    status=status,
    reason=st.none() | text,
    params=st.dictionaries(text, params, max_size=3),
    covariance=st.none() | st.lists(st.lists(number, max_size=3).map(tuple), max_size=3).map(tuple),
    residual_sd=maybe,
    optimum=st.none() | optima,
    interval=text,
    domain=st.dictionaries(text, st.tuples(number, number), max_size=2),
    search=st.none() | st.builds(Search, starts=st.integers(0), agreeing=st.integers(0), gradient=maybe),
    lack_of_fit=st.none() | shapes,
    blocks=st.none() | st.builds(Blocks, by=text, n=st.integers(1), sd=number, plain_sd=number, plain=optima),
    dropped=st.lists(st.builds(Dropped, row=st.integers(1), reason=text, C=maybe), max_size=2).map(tuple),
    notes=st.lists(text, max_size=2).map(tuple),
)


def through_json(record):
    return from_json(type(record), json.loads(json.dumps(to_json(record), allow_nan=False)))


@given(optima)
def test_optimum_survives_json(optimum):
    assert through_json(optimum) == optimum


@settings(max_examples=60)
@given(results)
def test_result_survives_json(result):
    assert through_json(result) == result


@pytest.mark.parametrize("field", ["n", "dof", "status"])
def test_a_result_needs_n_dof_and_status(sweep, field):
    data = to_json(fit_law(sweep(), "quadratic"))
    FitResult(**data)
    with pytest.raises(TypeError, match=field):
        FitResult(**{name: value for name, value in data.items() if name != field})
    with pytest.raises(UsageError, match=field):
        from_json(FitResult, {name: value for name, value in data.items() if name != field})


def test_unknown_words_are_refused():
    with pytest.raises(UsageError, match="'fine' is none of converged"):
        Param(name="a", value=1.0, lo=None, hi=None, status="fine")
    with pytest.raises(UsageError, match="'left' is neither low nor high"):
        Optimum(of="r_a", value=None, lo=None, hi=None, region=None, margin=None, edge="left", status="edge", reason="")


def test_every_field_of_a_record_has_a_sentence():
    import ast
    import inspect

    import fits.result

    classes = [node for node in ast.parse(inspect.getsource(fits.result)).body if isinstance(node, ast.ClassDef)]
    assert len(classes) == 9
    for node in classes:
        for field, after in zip(node.body, node.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign):
                assert isinstance(after, ast.Expr), ast.unparse(field)
                assert after.value.value.endswith("."), ast.unparse(field)


def test_fits_survive_the_disk(tmp_path, sweep, chinchilla_points):
    for result, draws in (
        fit_with_draws(sweep(noise=0.004, shift=0.02, seeds=3), "quadratic", margin=0.01),
        fit_with_draws(chinchilla_points, "chinchilla", bootstrap=4),
    ):
        path = write_fit(tmp_path / "fits", result, draws)
        assert path == tmp_path / "fits" / f"{result.law}.json"
        assert read_fit(path) == result
    written = sorted(file.name for file in path.parent.iterdir())
    assert written == ["chinchilla.draws.csv", "chinchilla.json", "quadratic.json"]
    with path.with_name("chinchilla.draws.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["A", "B", "E", "alpha", "beta"]
    np.testing.assert_array_equal(np.array(rows[1:], float), draws.values)


def test_json_has_the_fields_that_commands_promise(sweep):
    data = to_json(fit_law(sweep(noise=0.001), "quadratic", margin=0.01))
    assert {"law", "n", "objective", "status", "params", "optimum"} <= set(data)
    assert set(data["params"]["c"]) == {"name", "value", "lo", "hi", "status"}
    assert {"of", "value", "lo", "hi", "region", "margin", "edge", "status"} <= set(data["optimum"])


def test_draws_of_an_earlier_fit_do_not_stay(tmp_path, chinchilla_points):
    result, draws = fit_with_draws(chinchilla_points, "chinchilla", bootstrap=2)
    write_fit(tmp_path, result, draws, name="all")
    assert (tmp_path / "all.draws.csv").exists()
    write_fit(tmp_path, dataclasses.replace(result, interval="none"), name="all")
    assert [file.name for file in tmp_path.iterdir()] == ["all.json"]


def test_draws_that_failed_are_empty_cells(tmp_path, sweep):
    draws = Draws(parameters=("a", "b"), values=np.array([[1.5, np.nan], [np.nan, np.nan]]), seed=0)
    write_fit(tmp_path, fit_law(sweep(), "quadratic"), draws)
    assert (tmp_path / "quadratic.draws.csv").read_text() == "a,b\n1.5,\n,\n"


@pytest.mark.parametrize("content", [None, "{", "[]", '{"law": 1}'])
def test_unreadable_fit(tmp_path, content):
    path = tmp_path / "chinchilla.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=r"chinchilla.json"):
        read_fit(path)
