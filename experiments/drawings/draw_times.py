"""Drawings of gates: one ISP, and the days before delivery."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tandem_sim.experiments.drawings.canvas import TINTS, new_drawing, write
from tandem_sim.experiments.drawings.times import LANES, Gate, When, gates_of_days, gates_of_isp
from tandem_sim.experiments.figures.style import DARK, GREY, PALE

HEAD_CM, KEY_CM, SCALE_CM = 1.0, 1.0, 1.0
FILLS: dict[When, str] = {"every run": "full", "by scheme": "left", "option": "none"}
MEANINGS: dict[When, str] = {
    "every run": "every run",
    "by scheme": "depends on the scheme",
    "option": "option",
}
LANE_CM = 1.32


def isp_figure() -> Figure:
    """The gates of one ISP: a scale of time at the left, a row for each gate, a lane for each actor."""
    return _figure(gates_of_isp(), left=1.6, time_cm=2.1, letters=36)


def days_figure() -> Figure:
    """The gates of the days before delivery, in the order of time."""
    return _figure(gates_of_days(), left=0.2, time_cm=2.9, letters=38)


def _figure(gates: Sequence[Gate], left: float, time_cm: float, letters: int) -> Figure:
    """Rows of gates; where `left` leaves room, time to scale beside them."""
    texts = [wrap(gate.about, letters, break_on_hyphens=False) for gate in gates]
    tall = [0.42 * max(len(lines), 1) + 0.36 for lines in texts]
    figure, ax = new_drawing(HEAD_CM + KEY_CM + sum(tall))
    top = KEY_CM + sum(tall)
    heights = [top - sum(tall[:k]) - tall[k] / 2 for k in range(len(gates))]
    lanes = left + time_cm
    for k, lane in enumerate(LANES):
        x = lanes + LANE_CM * (k + 0.5)
        write(ax, x, top + 0.4, lane, ha="center", bold=True, color=TINTS[lane])
        ax.plot([x, x], [KEY_CM, top], color=PALE, linewidth=1.0, zorder=1)
    about = lanes + LANE_CM * len(LANES) + 0.1
    write(ax, left, top + 0.4, "time", bold=True)
    write(ax, about, top + 0.4, "what happens", bold=True)
    for gate, y, lines in zip(gates, heights, texts, strict=True):
        write(ax, left, y, gate.time)
        write(ax, about, y, "\n".join(lines))
        for lane in gate.actors:
            _mark(ax, lanes + LANE_CM * (LANES.index(lane) + 0.5), y, TINTS[lane], gate.when)
    if left > SCALE_CM:
        write(ax, 0.1, top + 0.4, "to scale")
        _scale(ax, gates, heights, left - 0.15)
    x = 0.2
    for when, meaning in MEANINGS.items():
        _mark(ax, x + 0.2, 0.45, DARK, when)
        write(ax, x + 0.55, 0.45, meaning)
        x += 1.4 + 0.19 * len(meaning)
    return figure


def _mark(ax: Axes, x: float, y: float, color: str, when: When) -> None:
    ax.plot(
        [x],
        [y],
        marker="o",
        markersize=9,
        color=color,
        fillstyle=FILLS[when],
        markerfacecoloralt="white",
        markeredgewidth=1.5,
        zorder=3,
    )


def _scale(ax: Axes, gates: Sequence[Gate], heights: Sequence[float], right: float) -> None:
    """Time to scale at the left, with a line from each moment to its row."""
    first, last = gates[0].lead_min, gates[-1].lead_min
    top, bottom = heights[0], heights[-1]
    ax.plot([0.55, 0.55], [bottom, top], color=DARK, linewidth=1.6, zorder=2)
    for gate, y in zip(gates, heights, strict=True):
        true = top - (top - bottom) * (first - gate.lead_min) / (first - last)
        ax.plot([0.55, 0.75, right], [true, true, y], color=GREY, linewidth=0.7, zorder=1)
