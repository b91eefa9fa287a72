"""The records: strict, frozen, and the same after a journey through JSON and the disk."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fits import FitResult, Optimum, Param, fit_law, summary
from fits.result import Blocks, LackOfFit, Search
from fits.runs.series import REUSE, SeriesKey
from fits.runs.table import Dropped
from fits.status import Status, Why
from planners.records.errors import UsageError
from planners.records.json import from_json, to_json

number = st.floats(allow_nan=False, allow_infinity=False)
maybe = st.none() | number
ends = st.tuples(maybe, maybe)
status = st.sampled_from(Status)
text = st.text(st.characters(exclude_categories=("C",)), max_size=8)  # control characters are made inert when read
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
    why=st.none() | st.sampled_from(Why),
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
    why=st.none() | st.sampled_from(Why),
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
    series=st.none() | st.builds(SeriesKey, label=st.none() | text, C=maybe, N=maybe, reuse=st.sampled_from(REUSE)),
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
    with pytest.raises(UsageError, match="'fine' is not one of converged"):
        Param(name="a", value=1.0, lo=None, hi=None, status="fine")
    with pytest.raises(UsageError, match="'left' must be low, high or null"):
        Optimum(of="r_a", value=None, lo=None, hi=None, region=None, margin=None, edge="left", status="edge", reason="")


def test_every_field_of_a_record_has_a_sentence():
    import ast
    import inspect

    import fits.result

    classes = [node for node in ast.parse(inspect.getsource(fits.result)).body if isinstance(node, ast.ClassDef)]
    assert len(classes) == 11
    for node in classes:
        for field, after in zip(node.body, node.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign):
                assert isinstance(after, ast.Expr), ast.unparse(field)
                assert after.value.value.endswith("."), ast.unparse(field)


def test_json_has_the_promised_fields(sweep):
    data = to_json(fit_law(sweep(noise=0.001), "quadratic", margin=0.01))
    assert {"law", "n", "objective", "status", "params", "optimum"} <= set(data)
    assert set(data["params"]["c"]) == {"name", "value", "lo", "hi", "lo_error", "hi_error", "status"}
    assert {"of", "value", "lo", "hi", "region", "margin", "edge", "status"} <= set(data["optimum"])


def test_a_fit_predicts_the_loss(sweep, chinchilla_points):
    curve = fit_law(sweep(best=0.2, floor=2.5), "quadratic")
    np.testing.assert_allclose(curve.loss(r_a=[0.2, 0.2 * np.e]), [2.5, 2.52], atol=1e-6)
    law = fit_law(chinchilla_points, "chinchilla", bootstrap=0)
    A, B, E, alpha, beta = (law.params[name].value for name in ("A", "B", "E", "alpha", "beta"))
    np.testing.assert_allclose(law.loss(N=1e9, D=[2e10, 4e10])[1], E + A / 1e9**alpha + B / 4e10**beta)
    with pytest.raises(UsageError, match="chinchilla predicts from N, D, not from N"):
        law.loss(N=1e9)
    with pytest.raises(UsageError, match="parameters without a value"):
        fit_law(sweep(rates=(0.1, 0.2)), "quadratic").loss(r_a=0.2)


def test_a_fit_shows_itself(sweep):
    result = fit_law(sweep(noise=0.001, seeds=2), "quadratic")
    assert repr(result).startswith("<FitResult quadratic: n=10, converged, r_a*=0.")
    assert str(result) == summary(result)
    assert result._repr_html_().startswith("<pre>[[quadratic]] L = ")
    named = dataclasses.replace(result, series=SeriesKey(C=1e18, reuse="strict"))
    assert named.name == "quadratic-C1e18-strict"
    assert "simulated, C = 1e18 FLOPs, strict reuse: n = 10" in str(named)


def test_a_fit_as_a_frame(sweep):
    frame = fit_law(sweep(noise=0.001, seeds=2), "quadratic").to_frame()
    assert list(frame["name"]) == ["a", "b", "c", "r_a*"]
    assert frame.dtypes[["value", "lo", "hi"]].eq(float).all()
