"""Every block of code in the README and the guides does what the page says.

- `console`: lines after `$ ` are run, and what they print must match the lines below (`...` stands for anything);
- `python`: the blocks of a page run as one script; `pycon`: the answers must match;
- `bash`: each line is parsed by the parser of its command; the soak tests also run them;
- `toml` and `json`: read.
"""

import doctest
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from docs.__main__ import WRITTEN
from scaling import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *(page for page in sorted((ROOT / "docs").glob("*.md")) if page.name not in WRITTEN)]
FENCE = re.compile(r"(?ms)^```(\w*)\n(.*?)^```")
SAME = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
NEEDED = ("results", "planners", "benchmarks", "docs")
"""Folders of the repository that commands of the pages read."""


def blocks(page: Path, *languages: str) -> list[str]:
    return [code for language, code in FENCE.findall(page.read_text()) if language in languages]


def pages_with(*languages: str) -> list[Path]:
    return [page for page in PAGES if blocks(page, *languages)]


def name(page: Path) -> str:
    return page.name


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder with links to the data of the repository, in which `python` is this interpreter."""
    for folder in NEEDED:
        (tmp_path / folder).symlink_to(ROOT / folder)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    (tmp_path / "bin" / "python").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def steps(block: str) -> list[tuple[str, str]]:
    """Return the commands of a console block with the output that is shown below each."""
    parts = re.split(r"(?m)^\$ ", block.replace("\\\n", " "))[1:]
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in parts]


@pytest.mark.parametrize("page", pages_with("console"), ids=name)
def test_commands_print_what_the_page_shows(page: Path, workplace: Path) -> None:
    checker = doctest.OutputChecker()
    for command, shown in (step for block in blocks(page, "console") for step in steps(block)):
        done = subprocess.run(command, shell=True, cwd=workplace, capture_output=True, text=True, timeout=120)
        printed = done.stdout + done.stderr
        assert checker.check_output(shown or "\n", printed or "\n", SAME), f"$ {command}\n{printed}\nthe page:\n{shown}"


@pytest.mark.parametrize("page", pages_with("python"), ids=name)
def test_python_examples_run(page: Path, workplace: Path) -> None:
    code = "\n".join(blocks(page, "python"))
    done = subprocess.run([sys.executable, "-c", code], cwd=workplace, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("page", pages_with("pycon"), ids=name)
def test_sessions_show_what_python_answers(page: Path, workplace: Path) -> None:
    (workplace / "session.txt").write_text("\n".join(blocks(page, "pycon")))
    options = ["-o", "ELLIPSIS", "-o", "NORMALIZE_WHITESPACE"]
    command = [sys.executable, "-m", "doctest", *options, "session.txt"]
    done = subprocess.run(command, cwd=workplace, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-3000:]


def commands(page: Path) -> list[str]:
    """Return the commands of the bash blocks of a page, without comments."""
    lines = "\n".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    return [line for line in (re.sub(r"(^|\s)#.*", "", line).strip() for line in lines) if line]


@pytest.mark.parametrize("page", pages_with("bash"), ids=name)
def test_commands_parse(page: Path) -> None:
    targets = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text()))
    for line in commands(page):
        tool, *arguments = shlex.split(line)
        if tool == "make":
            assert {one for one in arguments if "=" not in one} <= targets, line
        elif arguments[:1] == ["-m"] and arguments[1].startswith("scaling."):
            assert import_module(arguments[1]).arguments().parse_args(arguments[2:]), line
        elif tool == "python":
            assert (ROOT / arguments[0]).is_file() or arguments[0] == "-m", line
        else:
            assert tool in ("pip", "uv", "git", "cd", "rsync", "pytest"), f"{page.name}: unknown command {line!r}"


@pytest.mark.parametrize("page", pages_with("toml", "json"), ids=name)
def test_settings_can_be_read(page: Path) -> None:
    for block in blocks(page, "toml"):
        tomllib.loads(block)
    for block in blocks(page, "json"):
        json.loads(block)


def test_the_pages_show_every_verb_and_the_readme_is_short() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    lines = [line for page in pages for line in commands(page) if " -m scaling." in line]
    assert {line.split()[2].removeprefix("scaling.") for line in lines} == set(cli.VERBS)
    assert (ROOT / "README.md").read_text().count("\n") < 150
