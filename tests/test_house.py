"""The house: who may import whom, what names say, and what never stands in the sources."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("planners", "jobs", "fits", "reports", "scaling")
MAY_IMPORT = {
    "planners": {"planners"},
    "jobs": {"jobs", "planners"},
    "fits": {"fits", "planners"},
    "reports": {"reports", "planners", "jobs", "fits"},
    "scaling": set(PACKAGES),
}
SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
NEEDED_BY_TRAINING = {"torch", "numpy"}


def imports(path: Path) -> set[str]:
    """Return the top-level modules that a file imports, late imports included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_data(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    assert imports(path) & set(PACKAGES) <= MAY_IMPORT[package]


def test_one_run_does_not_depend_on_the_sweep_of_many() -> None:
    jobs = [path for path in SOURCES if path.is_relative_to(ROOT / "jobs") and path.parent.name != "sweep"]
    assert [path for path in jobs if "from jobs.sweep" in path.read_text()] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_training_imports_torch(path: Path) -> None:
    inside = path.is_relative_to(ROOT / "jobs" / "training")
    assert inside or "torch" not in imports(path)


def test_training_needs_torch_and_numpy_alone() -> None:
    corpora = [
        ROOT / "jobs" / "corpora" / f"{name}.py" for name in ("tokens", "window_order", "mixture", "readers/synthetic")
    ]
    modules = [*(ROOT / "jobs" / "training").rglob("*.py"), *corpora, ROOT / "jobs/record.py"]
    foreign = {name for path in modules for name in imports(path)} - set(sys.stdlib_module_names) - set(PACKAGES)
    assert foreign == NEEDED_BY_TRAINING


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_small_and_named_after_a_thing(path: Path) -> None:
    assert path.name not in ("utils.py", "common.py", "helpers.py", "core.py", "base.py", "misc.py")
    assert path.read_text().count("\n") <= 400
    assert ast.get_docstring(ast.parse(path.read_text())), f"{path} has no docstring"


def test_no_site_is_baked_in() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    texts = [ROOT / name for name in tracked if Path(name).suffix in (".py", ".md", ".toml", ".jinja", "")]
    site = re.compile(r"(?<![\w.}~*$])/(home|work|root|weka|scratch|mnt)/\w|gs://|s3://")
    assert [path for path in texts if path.is_file() and path != Path(__file__) and site.search(path.read_text())] == []


def test_packages_are_listed_for_installation() -> None:
    import tomllib

    from setuptools import find_packages

    include = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    folders = {path.parent for path in SOURCES}
    assert {".".join(folder.relative_to(ROOT).parts) for folder in folders} == set(
        find_packages(str(ROOT), include=include)
    )


STATISTICS = {"stdev", "variance", "pstdev", "pvariance", "linear_regression", "var", "std", "cov", "corrcoef"}
REGRESSIONS = {"lstsq", "polyfit", "linalg"}


@pytest.mark.parametrize("path", sorted((ROOT / "reports").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_reports_compute_no_variance_and_fit_nothing(path: Path) -> None:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    imported = {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    assert not (imported | used) & (STATISTICS | REGRESSIONS)
    assert "scipy" not in imports(path)


PROSE = {"stem", "label", "reason", "heading", "slug", "sentence", "note", "title", "caption", "arm", "command"}
"""Names of what is written for readers or for the disk: knowledge travels as fields and is not read out of these."""
PARSING = {"split", "rsplit", "partition", "rpartition", "startswith", "endswith", "removeprefix", "removesuffix"}


def parsed_prose(source: str) -> list[int]:
    """Return the lines that take a name, label or sentence apart, or look for words in one."""
    return sorted(
        {node.lineno for node in ast.walk(ast.parse(source)) if _splits(node) or _matches(node) or _seeks(node)}
    )


def _is_prose(node: ast.AST) -> bool:
    """Whether this is a label, a reason, …, or the `name` of something; a bare `name` may be a key and is allowed."""
    if isinstance(node, ast.Attribute):
        return node.attr in PROSE | {"name"}
    return isinstance(node, ast.Name) and node.id in PROSE


def _splits(node: ast.AST) -> bool:
    method = node.func if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else None
    return method is not None and method.attr in PARSING and _is_prose(method.value)


def _matches(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    regex = isinstance(node.func.value, ast.Name) and node.func.value.id == "re" and node.func.attr != "sub"
    return regex and any(map(_is_prose, node.args))


def _seeks(node: ast.AST) -> bool:
    if not isinstance(node, ast.Compare):
        return False
    pairs = zip(node.ops, [node.left, *node.comparators], node.comparators, strict=False)
    words = (left for op, left, right in pairs if isinstance(op, (ast.In, ast.NotIn)) and _is_prose(right))
    return any(isinstance(word, ast.Constant) and isinstance(word.value, str) for word in words)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_name_label_or_sentence_is_parsed_for_meaning(path: Path) -> None:
    assert parsed_prose(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        'kept = path.stem.partition("-")[0] in LAWS',
        "budget = re.search(r'-C(.+)', fit.name)",
        'words = name_of(series.name.split("-"))',
        'above = "nowhere" in low.reason',
        'whole = evidence.command.startswith("python -m scaling.study ")',
        'where = cell.label.split(" at ")[-1]',
    ],
)
def test_places_that_parsed_names_would_be_found(source: str) -> None:
    assert parsed_prose(source) == [1]
