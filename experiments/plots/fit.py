"""Another width for a figure: titles wrap, legends narrow, ticks that would touch are left out."""

from __future__ import annotations

from itertools import pairwise
from textwrap import wrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, MaxNLocator

WIDTHS_CM = (10.0, 60.0)
"""Narrowest and widest figure."""
CM_PER_INCH = 2.54
POINTS_PER_INCH = 72.0
GAP_POINTS = 7.0
TICK_GAP_POINTS = 4.0
"""Least distance between the labels of two ticks."""


def fit(figure: Figure, width_cm: float | None, title: bool) -> None:
    """Give a figure a width, or leave its own, and make its texts fit; without `title` there is no heading.

    A narrower figure is a little less high too: its texts take more lines.
    """
    if not title:
        figure.suptitle("")
    if width_cm is None:
        return
    width, height = figure.get_size_inches()
    narrower = width_cm / CM_PER_INCH / width
    figure.set_size_inches(width * narrower, height * (0.8 + 0.2 * narrower))
    for ax in figure.axes:
        if _is_above(ax):  # else axes would shrink until the legend fits beside them
            legend: Any = ax.get_legend()
            legend.set_in_layout(False)
    figure.draw_without_rendering()
    for text in (figure._suptitle, figure._supxlabel):  # type: ignore[attr-defined]
        if text is not None:
            _wrap(figure, text, figure.bbox.width * 0.98)
    for ax in figure.axes:
        _fit_axes(figure, ax)
    for ax in figure.axes:
        _part_ticks(figure, ax)


def _is_above(ax: Axes) -> bool:
    """Whether axes have a legend above them."""
    legend = ax.get_legend()
    if legend is None:
        return False
    anchor = legend.get_bbox_to_anchor()
    return bool(ax.transAxes.inverted().transform((anchor.x0, anchor.y0))[1] > 1.0 + GAP_POINTS / 1000.0)


def _fit_axes(figure: Figure, ax: Axes) -> None:
    """Wrap the title and narrow the legend of axes; a legend that meets the title moves it up."""
    renderer: Any = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    room = figure.bbox.width - ax.bbox.x0
    title = next(
        (t for t in ax.get_children() if isinstance(t, Text) and t.get_text() == ax.get_title("left")), None
    )
    if title is not None and title.get_text():
        _wrap(figure, title, min(room, 1.1 * ax.bbox.width))
    _wrap(figure, ax.xaxis.label, 1.2 * ax.bbox.width)
    legend: Any = ax.get_legend()
    if legend is None:
        return
    found = legend.get_window_extent(renderer)
    above = _is_above(ax)
    if above and found.width > ax.bbox.width:
        columns = max(1, int(legend._ncols * ax.bbox.width / found.width))
        texts = [text.get_text() for text in legend.get_texts()]
        place: Any = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.02), "ncols": columns}
        legend = ax.legend(legend.legend_handles, texts, **place)
        legend.set_in_layout(False)
        found = legend.get_window_extent(renderer)
    if above and title is not None and title.get_text():
        taken = title.get_window_extent(renderer)
        if taken.x1 > found.x0 and taken.y0 < found.y1:
            pad = found.height / figure.dpi * POINTS_PER_INCH + GAP_POINTS
            ax.set_title(title.get_text(), pad=pad)


def _part_ticks(figure: Figure, ax: Axes) -> None:
    """Fewer ticks on the x axis of axes until their labels stand apart."""
    locator = ax.xaxis.get_major_locator()
    for intervals in (4, 3, 2, 1):
        figure.draw_without_rendering()
        found = [label.get_window_extent() for label in ax.get_xticklabels() if label.get_text()]
        found = sorted((box for box in found if ax.bbox.x0 - 1 <= (box.x0 + box.x1) / 2.0 <= ax.bbox.x1 + 1),
                       key=lambda box: box.x0)  # fmt: skip
        apart = TICK_GAP_POINTS * figure.dpi / POINTS_PER_INCH
        if all(left.x1 + apart <= right.x0 for left, right in pairwise(found)):
            return
        if isinstance(locator, MaxNLocator):
            locator.set_params(nbins=intervals)
        elif isinstance(locator, FixedLocator):  # dates and names: every second one
            shared = ax.get_shared_x_axes().get_siblings(ax)
            for each in shared:
                each.xaxis.set_major_locator(FixedLocator(list(locator())[::2]))
            locator = ax.xaxis.get_major_locator()


def _wrap(figure: Figure, text: Text, room: float) -> None:
    """Break the lines of a text that are wider than `room` (pixels)."""
    renderer: Any = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    lines = text.get_text().split("\n")
    widest = text.get_window_extent(renderer).width
    if widest > room > 0.0:
        characters = max(int(max(map(len, lines)) * room / widest), 12)
        text.set_text("\n".join(part for line in lines for part in wrap(line, characters) or [""]))
