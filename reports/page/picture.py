"""A figure as a page shows it: drawn in every format, with its caption and the words for those who cannot see it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.page.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure, drawn."""

    name: str
    """Name of its files."""
    title: str
    """Heading."""
    caption: str
    """What is seen, with n and source."""
    alt: str
    """The same for those who cannot see it."""
    files: dict[str, bytes]
    """Its files by extension: svg, and others to download."""

    @property
    def svg(self) -> str:
        """The drawing for use inside HTML."""
        from reports.page.figure import inline

        return inline(self.files["svg"], self.name)


def draw(name: str, figure: "Figure[Any]", data: Any) -> Picture:
    """Return `figure`, drawn from `data`; its files are called `name`."""
    from reports.page.figure import render

    return Picture(
        name=name, title=figure.title, caption=figure.caption(data), alt=figure.alt(data), files=render(figure, data)
    )


def pictures(figures: "dict[str, Figure[Any]]", data: Any) -> dict[str, Picture]:
    """Return those of `figures`, by name, that have something to show of `data`."""
    return {name: draw(name, figure, data) for name, figure in figures.items() if figure.has_data(data)}
