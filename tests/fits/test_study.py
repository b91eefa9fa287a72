"""All fits of a study in one call and one file, with the bootstrap draws."""

import csv
from pathlib import Path

import numpy as np
import pytest

from fits import Draws, RunTable, SeriesKey, StudyFits, fit_study, fit_with_draws, from_records, read_fits
from fits.study import write_fits
from planners.records.errors import UsageError


@pytest.fixture(scope="module")
def budgets(sweep) -> RunTable:
    """Two budgets of seven rates and two seeds."""
    rates = tuple(0.05 * 1.5**step for step in range(7))
    parts = [sweep(best=0.2, noise=0.002, seeds=2, rates=rates, random=at).frame for at in (0, 1)]
    rows = [row | {"C": C} for C, frame in zip((1e18, 4e18), parts, strict=True) for row in frame.to_dict("records")]
    return from_records(rows, source="two budgets")


def test_each_series_is_fitted_and_found_by_its_key(budgets):
    found = fit_study(budgets, ["quadratic", "cubic"], margin=0.005)
    keys = [SeriesKey(C=1e18), SeriesKey(C=4e18)]
    assert [(fit.law, fit.series) for fit in found.fits] == [
        (law, key) for law in ("quadratic", "cubic") for key in keys
    ]
    assert found.of("cubic", keys[1]) is found.fits[3]
    assert found.of("spline") is None
    assert [one.series for one in found.comparison] == keys
    assert found.constancy is not None
    assert list(found.checks) == [fit.name for fit in found.fits]
    assert len(found.to_frame()) == 2 * 4 + 2 * 5


def test_the_usual_law_is_fitted_where_none_is_named(budgets):
    assert {fit.law for fit in fit_study(budgets).fits} == {"cubic"}


def test_a_study_of_fits_survives_the_disk(tmp_path, budgets, chinchilla_points):
    for table, laws in ((budgets, ["quadratic"]), (chinchilla_points, ["chinchilla"])):
        found = fit_study(table, laws, folder=tmp_path, bootstrap=4)
        assert read_fits(tmp_path) == read_fits(tmp_path / "fits.json") == found
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chinchilla.draws.csv", "fits.json"]
    _, draws = fit_with_draws(chinchilla_points, "chinchilla", bootstrap=4)
    with (tmp_path / "chinchilla.draws.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["A", "B", "E", "alpha", "beta"]
    np.testing.assert_array_equal(np.array(rows[1:], float), draws.values)
    fit_study(chinchilla_points, ["chinchilla"], folder=tmp_path, bootstrap=0)
    assert [path.name for path in tmp_path.iterdir()] == ["fits.json"]


def test_draws_that_failed_are_empty_cells(tmp_path):
    draws = Draws(parameters=("a", "b"), values=np.array([[1.5, np.nan], [np.nan, np.nan]]), seed=0)
    write_fits(tmp_path, StudyFits(fits=()), {"quadratic": draws})
    assert (tmp_path / "quadratic.draws.csv").read_text() == "a,b\n1.5,\n,\n"


def test_a_folder_without_fits_holds_none(tmp_path):
    assert read_fits(tmp_path) is read_fits(tmp_path / "absent") is None


@pytest.mark.parametrize("content", ["{", "[]", '{"fits": 1}', '{"law": 1}'])
def test_unreadable_fits_are_named(tmp_path, content):
    (tmp_path / "fits.json").write_text(content)
    with pytest.raises(UsageError, match=r"fits.json"):
        read_fits(tmp_path)


def test_only_the_draws_of_the_fits_before_are_removed(tmp_path, sweep):
    names = ("cubic-C1e12.json", "constancy.json", "cubic.draws.csv", "mine.json")
    for name in names:
        (tmp_path / name).write_text("{}")
    found = fit_study(sweep(), ["quadratic"], folder=tmp_path, bootstrap=0)
    write_fits(tmp_path, found, {f"{found.fits[0].name}": Draws(parameters=("a",), values=np.ones((1, 1)), seed=0)})
    assert (tmp_path / f"{found.fits[0].name}.draws.csv").is_file()
    write_fits(tmp_path, found)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, "fits.json"])


def test_fits_of_an_earlier_version_are_named(tmp_path, sweep):
    folder = tmp_path / "fits"
    for name in ("cubic-C1e12.json", "constancy.json", "cubic.draws.csv", "mine.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
    with pytest.raises(UsageError, match=f"earlier version; fit again with: python -m scaling.fit {tmp_path}"):
        read_fits(folder)
    fit_study(sweep(), ["quadratic"], folder=folder)
    assert len(read_fits(folder).fits) == 1


@pytest.mark.parametrize("name", ["laptop", "laptop-grid"])
def test_shipped_fits_can_be_read(name):
    found = read_fits(Path(__file__).parents[2] / "results" / name / "fits")
    assert found is not None
    assert {fit.law for fit in found.fits} == {"cubic"}
    assert all(fit.series is not None and fit.optimum is not None for fit in found.fits)


def test_what_is_printed_holds_every_finding(budgets):
    said = str(fit_study(budgets, ["quadratic", "cubic"]))
    for words in ("[[cubic]]", "two budgets, C = 4e18 FLOPs: n = 14", "[[Comparison]] C = 1e18 FLOPs", "[[Constancy]]"):
        assert words in said
    assert "[[Checks]] cubic-C4e18" in said
