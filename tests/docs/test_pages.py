"""The guides: links, length of sentences, generated pages that follow the code, notebooks, and the site."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.__main__ import HERE, WRITTEN

ROOT = HERE.parent
PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")), *sorted(HERE.glob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
WORDS = 40
"""Most words of a sentence in the README and the guides."""


def name(page: Path) -> str:
    return page.name


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings, as GitHub and mkdocs make them."""
    heads = re.findall(r"(?m)^#+ (.*)$", page.read_text())
    return {re.sub(r"[^\w\- ]", "", head.lower().replace("`", "")).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text())
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            assert link.startswith("https://"), link
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: no heading for {link}"


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in WRITTEN], ids=name)
def test_sentences_are_short(page: Path) -> None:
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text())
    lines = [line for line in text.splitlines() if not line.lstrip().startswith(("|", "#", "    "))]
    paragraphs = re.split(r"\n\s*\n|\n(?=\s*[-*] )", "\n".join(lines))
    for paragraph in paragraphs:
        for sentence in re.split(r"(?<=[.!?:;])\s+", " ".join(paragraph.replace("**", "").split())):
            count = len(re.sub(r"`[^`]*`|\]\([^)]*\)", "x", sentence).split())
            assert count <= WORDS, f"{page.name}: {count} words: {sentence}"


@pytest.mark.parametrize("page", WRITTEN)
def test_generated_pages_follow_the_code(page: str) -> None:
    assert (HERE / page).read_text() == WRITTEN[page](), "run: python -m docs"


@pytest.mark.parametrize("notebook", sorted((HERE / "notebooks").glob("*.ipynb")), ids=name)
def test_notebooks_run(notebook: Path, tmp_path: Path) -> None:
    cells = json.loads(notebook.read_text())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    for folder in ("results", "planners"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    environment = {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_site_builds(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "site" / "tutorial" / "index.html").is_file()
