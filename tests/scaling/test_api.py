"""The Python API: its examples run, its page is up to date, its names are complete for editors and loaded late."""

import ast
import doctest
import inspect
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import fits
import planners
import reports
import scaling
from scaling import cli

ROOT = Path(__file__).parent.parent.parent
FUNCTIONS = [name for name in scaling.__all__ if inspect.isfunction(getattr(scaling, name))]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with copies of the shipped studies, because reading a study collects its runs anew."""
    folder = tmp_path_factory.mktemp("api")
    for study in ("laptop", "laptop-grid"):
        ignored = shutil.ignore_patterns("report", "checkpoint")
        shutil.copytree(ROOT / "results" / study, folder / "results" / study, ignore=ignored)
    scaling.fit_study(folder / "results" / "laptop")
    return folder


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_example_of_each_function_runs(name: str, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    names = {"replace": replace, **{name: getattr(scaling, name) for name in scaling.__all__}}
    [example] = doctest.DocTestFinder(recurse=False).find(getattr(scaling, name), name, globs=names)
    assert example.examples, f"{name} has no example"
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).run(example, out=said.append)
    assert not said, "".join(said)


def test_the_page_lists_every_name() -> None:
    writer = import_module("docs.write_api")
    listed = " ".join(writer.SECTIONS.values()).split()
    assert sorted(listed) == scaling.__all__


@pytest.mark.parametrize("package", [scaling, planners, fits, reports])
def test_editors_see_the_names_that_are_loaded(package: ModuleType) -> None:
    """The imports under TYPE_CHECKING say the same as the table of `lazy_names`."""
    tree = ast.parse(Path(package.__file__).read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    declared = {alias.asname: node.module for node in block.body for alias in node.names}  # type: ignore[attr-defined]
    eager = {"curve": "fits.curve.curve_of_fit"} if package is fits else {}
    assert sorted({**declared, **eager}) == package.__all__
    assert all(getattr(package, name) is getattr(import_module(home), name) for name, home in declared.items())
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing


def test_no_function_hides_a_command() -> None:
    modules = {path.stem for path in (ROOT / "scaling").glob("*.py")}
    assert not modules & set(scaling.__all__)


def test_the_types_are_shipped() -> None:
    for package in ("planners", "jobs", "fits", "reports", "scaling"):
        assert (ROOT / package / "py.typed").is_file()


def test_importing_the_package_loads_no_command_and_nothing_heavy() -> None:
    verbs = [f"scaling.{verb}" for verb in cli.VERBS]
    code = f"""
import sys, scaling
dir(scaling)
print([name for name in {[*verbs, "torch", "pandas", "numpy", "matplotlib", "submitit"]} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_study_stands_for_its_folder(workplace: Path) -> None:
    study = scaling.Study(workplace / "results" / "laptop")
    assert len(scaling.read_runs(study)) == len(scaling.read_runs(study.folder)) == 27
    assert repr(scaling.Study(study)) == repr(study)
    with pytest.raises(scaling.UsageError, match="needs no columns"):
        scaling.read_runs(study, {"N": "n"})


def test_a_prediction_names_a_missing_column() -> None:
    rows = [{"N": N, "D": D, "loss": 2 + 9 / N**0.3 + 9 / D**0.3} for N in (1e7, 4e7, 2e8) for D in (1e8, 1e9, 1e10)]
    fit = scaling.fit_law(rows, "chinchilla", bootstrap=0)
    with pytest.raises(scaling.UsageError, match="add D="):
        scaling.predict(fit, {"N": 1e9})


def test_results_come_out_as_frames(workplace: Path) -> None:
    plan = scaling.make_plan(replace(scaling.preset("smoke"), data=None))
    assert len(plan.to_frame()) == 4
    assert plan.to_frame()["shape.d_model"].tolist() == [run.shape.d_model for run in plan.runs]
    count = scaling.count_model(plan.runs[1].shape)
    assert count.to_frame()["parameters"].sum() == plan.runs[1].shape.total
