"""How every figure looks: colours, fonts, sizes, legends."""

import re
from collections.abc import Iterator, Sequence
from colorsys import hls_to_rgb
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from numpy.typing import NDArray

from latentgeo.figures._svg import describe
from latentgeo.results.words import with_interval

WIDTH = 7.2  # inches: the text width of a two-column page

# Okabe and Ito (2008), without their yellow, which vanishes on white, and four of Tol's. Black and
# grey are of no model.
PALETTE = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
    *("#882255", "#6A3D9A", "#8C564B", "#999933"),
)
_GOLDEN = 0.618034  # turns of the hue from one further colour to the next
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
VIEW_LINES = {"mean": "-", "sample": "--"}

# Tol's muted scheme: ten classes are more than Okabe and Ito have colours for.
CLASS_COLOURS = (
    *("#332288", "#88CCEE", "#117733", "#DDCC77", "#CC6677"),
    *("#882255", "#44AA99", "#999933", "#AA4499", "#BBBBBB"),
)
NULL_COLOUR = "#666666"
#: Dark and light text on images, which keep their colours whatever the ground of the page.
ON_IMAGES = ("#010101", "#fefefe")
DOUBTFUL = ("#A0A0A0", ":")  # colour and line of a model that has not learned

# Inches that a legend takes per entry and per letter, at 7.5 points.
_ENTRY, _LETTER = 0.65, 0.06

_RC: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "lines.linewidth": 1.3,
    "lines.markersize": 3.5,
    "pdf.fonttype": 42,  # TrueType: text in the PDF stays text that journals accept
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


@dataclass(frozen=True)
class LineStyle:
    """How one series is drawn; colour and marker tell the model, the line tells the view."""

    colour: str
    marker: str
    line: str
    place: int = -1

    @classmethod
    def of(cls, index: int, view: str, *, doubtful: bool = False) -> "LineStyle":
        """Return the style of the model at a position of the analysis, seen in a view."""
        marker = MARKERS[index % len(MARKERS)]
        if doubtful:
            return cls(DOUBTFUL[0], marker, DOUBTFUL[1], index)
        return cls(colour_of(index), marker, VIEW_LINES.get(view, "-."), index)


def colour_of(index: int) -> str:
    """Return the colour of a model by its place; no two models share one."""
    if index < len(PALETTE):
        return PALETTE[index]
    light, strong = 0.35 + 0.2 * (index % 2), 0.65
    return to_hex(hls_to_rgb(_GOLDEN * index % 1, light, strong))


@dataclass(frozen=True)
class Curve:
    """One line of a figure with its interval.

    Parameters
    ----------
    label : str
        What the legend calls it.
    x, y, low, high : numpy.ndarray of shape (points,)
        The line and the ends of its interval; NaN where there is nothing to draw.
    style : LineStyle
        How it is drawn.
    """

    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    style: LineStyle

    def draw(self, ax: Axes, *, markers: bool = True, band: bool = True) -> Artist:
        """Draw the line and its band; return the line."""
        style = self.style
        if band:
            filled = ax.fill_between(
                self.x, self.low, self.high, color=style.colour, alpha=0.16, linewidth=0
            )
            describe(filled, style.place, self.label)
        (line,) = ax.plot(
            self.x,
            self.y,
            color=style.colour,
            linestyle=style.line,
            marker=style.marker if markers else None,
            label=plain_text(self.label),
        )
        describe(line, style.place, self.label, self._values())
        return line

    def _values(self) -> list[str]:
        """Return the value of each point with its interval."""
        digits = 3 if np.nanmax(np.abs(self.y), initial=0) < 10 else 1
        return [
            f"{self.label}: {with_interval(value, (low, high), digits)}"
            for value, low, high in zip(self.y, self.low, self.high, strict=True)
            if np.isfinite(value)
        ]


def plain_text(label: str) -> str:
    """Keep matplotlib from reading a name: dollars as mathematics, a leading underscore as none."""
    shown = label.replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def wrapped_text(label: str, width: int = 16) -> str:
    """Break a name into lines, after a sign that joins its parts; layers have long names."""
    if len(label) <= width:
        return plain_text(label)
    parts = re.findall(r"[^ :./_,-]*[ :./_,-]?", plain_text(label).replace(", ", ","))
    lines = [""]
    for part in parts:
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
        if part.endswith(","):
            lines.append("")
    return "\n".join(line.strip() for line in lines if line.strip())


@contextmanager
def style() -> Iterator[None]:
    """Apply the look inside the block only; nothing of it stays behind."""
    with matplotlib.rc_context(_RC):
        yield


def new_axes(
    rows: int, columns: int, *, row_height: float, extra: float = 0.0, width: float = WIDTH
) -> NDArray[np.object_]:
    """Make a figure of its own, known to no global state, and return its axes as a 2-d array."""
    figure = Figure(figsize=(width, rows * row_height + extra), layout="constrained")
    axes: NDArray[np.object_] = figure.subplots(rows, columns, squeeze=False)
    return axes


def wrapped_axes(
    count: int, columns: int, *, row_height: float, extra: float = 0.0
) -> NDArray[np.object_]:
    """Make `count` axes, `columns` to a row at most and rows as full as each other."""
    across = even_columns(count, columns)
    width = WIDTH * min(1.0, max(across, 0.62 * columns) / columns)
    axes = new_axes(ceil(count / across), across, row_height=row_height, extra=extra, width=width)
    for unused in axes.ravel()[count:]:
        unused.remove()
    return axes.ravel()[:count]


def even_columns(count: int, most: int) -> int:
    """Return how many panels stand in a row, so that no last one stands alone."""
    even = ceil(count / ceil(count / most))
    choices = (even, *range(most, 1, -1), most + 1, most + 2)
    return next((across for across in choices if across == 1 or count % across != 1), even)


def shared_legend(
    figure: Figure, handles: Sequence[Artist], labels: Sequence[str], *, note: str = ""
) -> None:
    """Draw one legend below all panels, in rows as full as the figure is wide."""
    ncols, _ = _legend_shape(labels, figure.get_figwidth())
    legend = figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=ncols,
        columnspacing=1.4,
    )
    if note:
        legend.set_title(note, prop=FontProperties(size=7.0))


def legend_height(labels: Sequence[str], width: float = WIDTH) -> float:
    """Return how many inches a shared legend needs below the panels."""
    return 0.18 * _legend_shape(labels, width)[1] + 0.05


def _legend_shape(labels: Sequence[str], width: float) -> tuple[int, int]:
    """Return columns and rows of a legend; rows are filled evenly."""
    lengths = np.array([_ENTRY + _LETTER * len(label) for label in labels])
    for rows in range(1, len(labels)):
        columns = ceil(len(labels) / rows)
        if sum(part.max() for part in np.array_split(lengths, columns)) < width:
            return columns, rows
    return 1, len(labels)


def steps(levels: NDArray[np.float64]) -> tuple[ListedColormap, BoundaryNorm]:
    """Return one colour to each level: light to dark, legible on white and on black."""
    shades = matplotlib.colormaps["viridis_r"](np.linspace(0.18, 0.78, len(levels)))
    return ListedColormap(shades), BoundaryNorm(np.arange(len(levels) + 1) - 0.5, len(levels))
