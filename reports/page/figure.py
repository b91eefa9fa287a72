"""How figures look and are saved: one style, readable in grey print and by colour-blind readers, in three formats.

A figure is a function `draw(data, axes)`. A figure of several panels divides its axes with `panels`. Logarithmic axes
have few round ticks, written as 10 %, 1e12 or 100M. A `Picture` is a figure that has been drawn for a page.
"""

import io
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.axis import Axis as Axis
    from matplotlib.figure import Figure as _Canvas
    from numpy.typing import ArrayLike

    Canvas: TypeAlias = _Canvas
else:
    Axes = Axis = Canvas = ArrayLike = Any  # figures only name these types, and matplotlib takes a second to import

WIDTH = 5.0
"""Inches. It is narrow, because the text must be readable when the figure is as wide as a phone."""
SIZE = (WIDTH, 3.9)
FORMATS: dict[str, dict[str, Any]] = {
    "svg": {"metadata": {"Creator": None, "Date": None, "Format": None, "Type": None}},
    "pdf": {"metadata": {"Creator": None, "Producer": None, "CreationDate": None}},
    "png": {"metadata": {"Software": None}, "dpi": 200},
}
"""Extension -> options of saving. No date and no program name are written, so the files are reproducible."""
INK, FAINT, QUIET = "#1a1a1a", "#8a8a8a", "#5c5c5c"
"""Colours of lines and text, of the background, and of small print (contrast 5.9:1 on white)."""
BAND, REGION, EDGE = "#9bb7cf", "#faf1d6", "#bfa85c"
"""Fill of the interval of a curve; fill and edge of a region of indifference."""
RC: dict[Any, Any] = {
    "axes.edgecolor": FAINT,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 9.5,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 7,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "reports",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
}


@dataclass(frozen=True, kw_only=True)
class Mark:
    """How one series is drawn in every figure."""

    color: str
    """A colour of Okabe and Ito, which colour-blind readers can tell apart."""
    marker: str
    """Marker; it differs between series, for grey print."""
    line: str | tuple[int, tuple[float, ...]]
    """Dash pattern; it differs between series too."""


class Sourced(Protocol):
    """Data from which a figure is drawn."""

    @property
    def source(self) -> str:
        """Where its numbers come from: measured here, simulated, or published, with the paper."""
        ...


Data_contra = TypeVar("Data_contra", bound=Sourced, contravariant=True)
Other = TypeVar("Other", bound=Sourced)


@dataclass(frozen=True, kw_only=True)
class Figure(Generic[Data_contra]):
    """What a figure shows and how it is drawn: a constant, and one line of a registry."""

    title: str
    """Heading."""
    section: str = ""
    """Heading of the page under which it is shown, where the page arranges its figures itself."""
    draw: Callable[[Data_contra, Axes], None]
    """Draws the data on axes."""
    caption: Callable[[Data_contra], str]
    """What it shows, with n and source."""
    alt: Callable[[Data_contra], str]
    """The same in words, for readers who cannot see it."""
    has_data: Callable[[Data_contra], bool] = lambda data: True
    """Whether there is anything to draw; otherwise the figure is left out."""
    size: tuple[float, float] = SIZE
    """Width and height in inches; `panels` may grow the height."""

    def of(self, view: Callable[[Other], Data_contra]) -> "Figure[Other]":
        """Return this figure for data of another kind, of which it shows the part that `view` returns."""
        return Figure(
            title=self.title,
            section=self.section,
            size=self.size,
            has_data=lambda data: self.has_data(view(data)),
            draw=lambda data, axes: self.draw(view(data), axes),
            caption=lambda data: self.caption(view(data)),
            alt=lambda data: self.alt(view(data)),
        )


DENSE = Mark(color="#000000", marker="s", line="-")
SERIES = (
    Mark(color="#0072b2", marker="o", line=(0, (5, 1.5))),
    Mark(color="#c87800", marker="D", line=(0, (1.2, 1.2))),
    Mark(color="#882e72", marker="^", line=(0, (6, 1.5, 1.2, 1.5))),
    Mark(color="#009e73", marker="P", line=(0, (3, 1))),
    Mark(color="#a63d00", marker="v", line="-"),
    Mark(color="#3a9bd0", marker="X", line=(0, (8, 2, 1, 2, 1, 2))),
)
"""Marks of the series, in order: Okabe and Ito, darkened for white paper; dark and light alternate for grey print."""


MOE = SERIES[0]
"""Mark of all MoE arms in figures where their rate tells them apart."""


def columns_of(count: int) -> int:
    """Return the number of columns for `count` panels of one kind: one, while they fit on a page."""
    return 1 if count <= 3 else 2 if count <= 12 else 3


def canvas_of(axes: Axes) -> Canvas:
    """Return the matplotlib figure to which the axes belong."""
    canvas = axes.get_figure(root=True)
    assert canvas is not None
    return canvas


def panels(axes: Axes, count: int, *, columns: int = 1, height: float = 1.9, **shared: Any) -> list[Axes]:
    """Divide `axes` into `count` panels of `height` inches, in rows of `columns`; the canvas grows to hold them.

    `shared` is passed on: sharex, sharey. A single panel is the axes themselves.
    """
    if count == 1:
        return [axes]
    canvas, place, rows = canvas_of(axes), axes.get_subplotspec(), -(-count // columns)
    assert place is not None
    wide, high = canvas.get_size_inches()
    canvas.set_size_inches(wide, max(high, rows * height + 0.9))
    axes.remove()
    grid = place.subgridspec(rows, columns).subplots(squeeze=False, **shared)
    found: list[Axes] = list(grid.ravel())
    for unused in found[count:]:
        unused.remove()
    return found[:count]


def points(
    axes: Axes, x: ArrayLike, y: ArrayLike, mark: Mark, size: float, *, hollow: bool = False, **style: Any
) -> None:
    """Draw markers of `size` points without a line. `style` is passed on to matplotlib."""
    look: dict[str, Any] = {"marker": mark.marker, "color": mark.color, "markersize": size, **style}
    axes.plot(x, y, linestyle="none", **(look | {"markerfacecolor": "white"} if hollow else look))


def key(cut: Sequence[Axes], columns: int = 2) -> None:
    """Draw one legend above all panels, with each label once."""
    found = {label: handle for axes in cut for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    if found:
        canvas_of(cut[0]).legend(
            list(found.values()), list(found), loc="outside upper center", ncols=columns, handlelength=2.6
        )


def render(figure: Figure[Data_contra], data: Data_contra, formats: Sequence[str] = tuple(FORMATS)) -> dict[str, bytes]:
    """Draw `figure` and return its bytes by extension; the same data give the same bytes."""
    with _style():
        canvas = drawn(figure, data)
        files = {}
        for extension in formats:
            file = io.BytesIO()
            canvas.savefig(file, format=extension, **FORMATS[extension])
            files[extension] = file.getvalue()
    return files


def drawn(figure: Figure[Data_contra], data: Data_contra) -> Canvas:
    """Return `figure` drawn from `data` as a matplotlib figure, with its source in the footer."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    with _style():
        canvas = Canvas(figsize=figure.size)
        FigureCanvasAgg(canvas)
        canvas.supxlabel(data.source, x=0.995, ha="right", fontsize=7, color=QUIET)
        figure.draw(data, canvas.add_subplot())
        settle(canvas)
    return canvas


def _style() -> AbstractContextManager[None]:
    """Return a context with this style, independent of the settings of the machine."""
    import matplotlib

    return matplotlib.rc_context({**matplotlib.rcParamsDefault, **RC})


def settle(canvas: Canvas) -> None:
    """Fix the layout of the canvas, so that positions measured from now on hold in every format."""
    from matplotlib.text import Text

    if canvas.get_layout_engine() is not None:
        for text in canvas.findobj(Text):
            text.set_text(spelled(text.get_text()))
        canvas.draw_without_rendering()
        canvas.set_layout_engine("none")


def _unique(svg: str) -> str:
    """Return an SVG in which every id is unique: the second `fit` of several panels becomes `fit_2`."""
    seen: Counter[str] = Counter()

    def numbered(found: re.Match[str]) -> str:
        seen[found[1]] += 1
        return found[0] if seen[found[1]] == 1 else f'id="{found[1]}_{seen[found[1]]}"'

    return re.sub(r'\bid="([^"]*)"', numbered, svg)


def spelled(text: str) -> str:
    """Return `text` with each character that the font lacks, such as an emoji, replaced by its number in brackets.

    >>> spelled("K4 🙂")
    'K4 [U+1F642]'
    """
    known = _glyphs()
    return "".join(sign if sign == "\n" or ord(sign) in known else f"[U+{ord(sign):04X}]" for sign in text)


@cache
def _glyphs() -> frozenset[int]:
    """Return the code points that the font can draw, without those that control the direction or form of others."""
    from matplotlib.font_manager import findfont, get_font

    found = get_font(findfont(RC["font.family"])).get_charmap()
    return frozenset(code for code in found if unicodedata.category(chr(code))[0] != "C")


def inline(svg: bytes, name: str) -> str:
    """Return an SVG for use inside HTML: no prolog, scaled with the page, and `name` in front of its ids."""
    text = svg.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", _unique(text))
    head, rest = text.split(">", 1)
    return re.sub(r' (width|height)="[^"]*"', "", head) + ">" + rest


STEPS = (
    (1.0,),
    (1.0, 2.0, 5.0),
    (1.0, 1.5, 2.0, 3.0, 5.0, 7.0),
    (1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0),
)
"""Ticks of a decade, the sparsest set first."""
FEWEST = 3
"""A logarithmic axis has at least this many ticks where a denser set can give them."""


def log_ticks(low: float, high: float) -> list[float]:
    """Return round ticks from `low` to `high`: the sparsest set of STEPS that has FEWEST, else the densest.

    >>> log_ticks(0.08, 1.2)
    [0.1, 0.2, 0.5, 1.0]
    """
    ticks: list[float] = []
    for steps in STEPS:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [tick for d in decades for step in steps if low <= (tick := float(f"{step}e{d}")) <= high]
        if len(ticks) >= FEWEST:
            break
    return ticks


def log_axis(
    axes: Axes,
    which: Literal["x", "y"],
    values: Iterable[float],
    write: Callable[[float], str],
    *,
    room: float = 1.3,
    last: float = math.inf,
) -> None:
    """Make axis `which` logarithmic, from the lowest of `values` over `room` to the highest times `room`.

    `write` writes its ticks; no tick is beyond `last`.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    numbers = list(values)
    low, high = min(numbers) / room, max(numbers) * room
    axis = axes.xaxis if which == "x" else axes.yaxis
    axes.set(**{f"{which}scale": "log", f"{which}lim": (low, high)})
    axis.set_major_locator(FixedLocator(log_ticks(low, min(high, last))))
    axis.set_major_formatter(FuncFormatter(lambda tick, _: write(tick)))
    axis.set_minor_locator(NullLocator())


def log_scale(axis: Axis, write: Callable[[float], str], ticks: Sequence[float] | None = None) -> None:
    """Make `axis` logarithmic within its present limits; `ticks` replace those of the decades."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    axes = axis.axes
    (axes.set_xscale if axis is axes.xaxis else axes.set_yscale)("log")
    axis.set_major_formatter(FuncFormatter(lambda tick, _: write(tick)))
    axis.set_minor_formatter(NullFormatter())
    if ticks is not None:
        axis.set_major_locator(FixedLocator(list(ticks)))
        axis.set_minor_locator(NullLocator())


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
        return inline(self.files["svg"], self.name)


def draw(name: str, figure: Figure[Any], data: Any) -> Picture:
    """Return `figure`, drawn from `data`; its files are called `name`."""
    caption, alt = figure.caption(data), figure.alt(data)
    files = render(figure, data)
    return Picture(name=name, title=figure.title, section=figure.section, caption=caption, alt=alt, files=files)


def pictures(figures: Mapping[str, Figure[Any]], data: Any) -> dict[str, Picture]:
    """Return the figures that have something to show of `data`, drawn, by name."""
    return {name: draw(name, figure, data) for name, figure in figures.items() if figure.has_data(data)}
