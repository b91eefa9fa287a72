"""How a figure looks and is saved: one style for grey print and colour-blind readers, three formats, no clock."""

import io
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reports.evidence import Arm, Evidence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = (5.0, 3.9)
"""Inches; narrow, so that the text is still read when the figure is as wide as a phone."""
FORMATS: dict[str, dict[str, Any]] = {
    "svg": {"metadata": {"Creator": None, "Date": None, "Format": None, "Type": None}},
    "pdf": {"metadata": {"Creator": None, "Producer": None, "CreationDate": None}},
    "png": {"metadata": {"Software": None}, "dpi": 200},
}
"""Extension -> how it is saved: without a date and without the name of the program, so that it is reproducible."""
INK, FAINT = "#1a1a1a", "#8a8a8a"
RC: dict[Any, Any] = {
    "axes.edgecolor": FAINT,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 9.5,
    "axes.spines.right": False,
    "axes.spines.top": False,
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
    """How one arm is drawn in every figure."""

    color: str
    """Okabe-Ito, told apart by colour-blind readers."""
    marker: str
    """Differs from arm to arm, for grey print."""
    line: str | tuple[int, tuple[float, ...]]
    """Dash pattern; differs likewise."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure: what it shows and how it is drawn."""

    title: str
    """Heading."""
    has_data: Callable[[Evidence], bool]
    """Whether there is anything to draw; a figure without data is left out."""
    draw: Callable[[Evidence, "Axes"], None]
    """Draws the evidence on axes."""
    caption: Callable[[Evidence], str]
    """What is seen, with n and source."""
    alt: Callable[[Evidence], str]
    """The same for those who cannot see it."""


DENSE = Mark(color="#000000", marker="s", line="-")
MOE = (
    Mark(color="#0072b2", marker="o", line=(0, (5, 1.5))),
    Mark(color="#d55e00", marker="^", line=(0, (1.2, 1.2))),
    Mark(color="#009e73", marker="D", line=(0, (6, 1.5, 1.2, 1.5))),
    Mark(color="#aa4499", marker="v", line=(0, (3, 1))),
    Mark(color="#b87a00", marker="P", line="-"),
    Mark(color="#3a9bd0", marker="X", line=(0, (8, 2, 1, 2, 1, 2))),
)


def marks(evidence: Evidence) -> dict[str, Mark]:
    """Return how each arm is drawn, by name and so alike at every budget: dense arms black, MoE arms in turn."""
    names = dict.fromkeys(arm.name for arm in evidence.moe)
    moe = {name: MOE[i % len(MOE)] for i, name in enumerate(names)}
    return {arm.name: moe.get(arm.name, DENSE) for arm in evidence.arms}


def named(arm: Arm, most: int = 28) -> str:
    """Return the name of an arm, cut to `most` characters."""
    return arm.name if len(arm.name) <= most else f"{arm.name[: most - 1]}…"


def render(figure: Figure, evidence: Evidence, formats: Sequence[str] = tuple(FORMATS)) -> dict[str, bytes]:
    """Draw `figure` and return its bytes by extension; the same evidence gives the same bytes."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **RC}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # an emoji in a label is drawn as a box
        canvas = Canvas(figsize=SIZE)
        FigureCanvasAgg(canvas)
        figure.draw(evidence, canvas.add_subplot())
        files = {}
        for extension in formats:
            file = io.BytesIO()
            canvas.savefig(file, format=extension, **FORMATS[extension])
            files[extension] = file.getvalue()
    return files


def inline(svg: bytes, name: str) -> str:
    """Return an SVG for use inside HTML: without prolog, scaling with the page, its ids made unique by `name`."""
    text = svg.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    head, rest = text.split(">", 1)
    return re.sub(r' (width|height)="[^"]*"', "", head) + ">" + rest
