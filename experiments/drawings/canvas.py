"""Shapes of drawings: axes in centimetres, texts of 9 points or more, boxes, arrows."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from tandem_sim.experiments.figures.style import BLUE, DARK, GREEN, ORANGE, PURPLE

WIDTH_CM = 16.0
CM = 1.0 / 2.54
POINTS = 9.0
"""Least size of a text."""
TINTS = {"DSO": ORANGE, "TSO": BLUE, "sellers": GREEN, "others": PURPLE}


def new_drawing(height_cm: float) -> tuple[Figure, Axes]:
    """A white drawing of `WIDTH_CM`; coordinates are centimetres from its lower left corner."""
    figure = Figure(figsize=(WIDTH_CM * CM, height_cm * CM))
    figure.set_layout_engine("none")  # everything has its place in centimetres
    FigureCanvasAgg(figure)
    ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    ax.set_xlim(0.0, WIDTH_CM)
    ax.set_ylim(0.0, height_cm)
    ax.axis("off")
    return figure, ax


def write(
    ax: Axes,
    x: float,
    y: float,
    text: str,
    *,
    ha: str = "left",
    va: str = "center",
    color: str = DARK,
    bold: bool = False,
    size: float = POINTS,
    background: bool = False,
) -> None:
    """A text at a place; with a white background where it stands on a line."""
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.2} if background else None
    weight = "bold" if bold else "normal"
    ax.text(x, y, text, ha=ha, va=va, color=color, weight=weight, size=size, bbox=box, linespacing=1.15)


def box(ax: Axes, x: float, y: float, width: float, height: float, text: str, color: str) -> None:
    """A box around its centre with a name."""
    ax.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.12",
            facecolor="white",
            edgecolor=color,
            linewidth=1.4,
            zorder=3,
        )
    )
    ax.text(x, y, text, ha="center", va="center", color=DARK, size=POINTS, zorder=4)


def arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], color: str, *, bend: float = 0.0
) -> None:
    """An arrow between two points; `bend` is that of its arc."""
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=9,
            color=color,
            linewidth=1.2,
            shrinkA=0,
            shrinkB=0,
            connectionstyle=f"arc3,rad={bend}",
            zorder=2,
        )
    )
