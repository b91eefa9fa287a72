"""A figure as a page shows it: drawn in every format, with its caption and a description in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.page.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure that has been drawn."""

    name: str
    """Name of its files."""
    title: str
    """Heading."""
    caption: str
    """What it shows, with n and source."""
    alt: str
    """The same in words, for readers who cannot see it."""
    files: dict[str, bytes]
    """Its files by extension: svg, and the others to download."""
    section: str = ""
    """Heading of the page under which it is shown, where the page arranges its figures itself."""

    @property
    def svg(self) -> str:
        """The drawing for use inside HTML."""
        from reports.page.figure import inline

        return inline(self.files["svg"], self.name)


def draw(name: str, figure: "Figure[Any]", data: Any) -> Picture:
    """Return `figure`, drawn from `data`; its files are called `name`."""
    from reports.page.figure import render

    caption, alt = figure.caption(data), figure.alt(data)
    files = render(figure, data)
    return Picture(name=name, title=figure.title, section=figure.section, caption=caption, alt=alt, files=files)


def pictures(figures: "Mapping[str, Figure[Any]]", data: Any) -> dict[str, Picture]:
    """Return the figures that have something to show of `data`, drawn, by name."""
    return {name: draw(name, figure, data) for name, figure in figures.items() if figure.has_data(data)}
