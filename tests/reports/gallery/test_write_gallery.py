"""The gallery shows every figure."""

from pathlib import Path

import pytest

from reports.study.figures import FIGURES


@pytest.mark.soak
def test_gallery_shows_every_figure(tmp_path: Path) -> None:
    from reports.gallery.write_gallery import write_gallery
    from reports.papers import PAPERS, reproduction
    from reports.versus import figures as versus

    report = write_gallery(tmp_path)
    shown = {Path(name).stem for name in report.files if name.startswith("figures/")}
    published = [name for paper in PAPERS for name in reproduction(paper).figures]
    assert shown == {*FIGURES, *versus.FIGURES, *published}
    assert "simulated" in (tmp_path / "report.html").read_text()
