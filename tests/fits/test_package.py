"""The package as others see it: its names, what it imports, and the published tables it is checked against."""

import os
import subprocess
import sys

import numpy as np
import pytest

import fits
from planners.published import PUBLISHED, published
from planners.records.errors import UsageError


def test_public_names_exist_and_are_documented():
    for name in fits.__all__:
        assert hasattr(fits, name), name
        if name != "LAWS":
            assert getattr(fits, name).__doc__, name
    assert list(fits.LAWS)[:3] == ["quadratic", "cubic", "spline"]
    assert all(law.name == name for name, law in fits.LAWS.items())


def test_import_waits_for_what_is_slow():
    code = "import sys, fits; print([m for m in ('pandas', 'scipy', 'torch', 'tqdm') if m in sys.modules])"
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=path)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_tables_can_be_read(name):
    runs = published(name)
    table = fits.read_table(runs.path, runs.columns)
    assert len(table.dropped) == (3 if name == "porian2024_optimal_pairs" else 0)  # three curves have no minimum
    assert all((table.numbers(column) > 0).all() for column in runs.columns if column != "run_id")
    assert runs.path.stat().st_size < 1_000_000
    assert runs.path.name in (runs.path.parent / "SOURCE.md").read_text()


def test_published_chinchilla_points():
    runs = published("chinchilla_kyotakano234")
    table = fits.read_table(runs.path, runs.columns)
    assert len(table) == 234
    N, D, C = (table.numbers(name) for name in ("N", "D", "C"))
    np.testing.assert_allclose(6 * N * D, C, rtol=1e-3)


def test_unknown_published_table_lists_the_known():
    with pytest.raises(UsageError, match=r"'chinchila'.*chinchilla_kyotakano234"):
        published("chinchila")
