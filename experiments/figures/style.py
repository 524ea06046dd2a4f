"""The style shared by all figures: colours, time axes in local time, legends, reproducible bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import matplotlib.dates
import numpy as np
import pandas as pd
from matplotlib import rc_context, style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from tandem_sim.experiments.results.run_data import LONG_DAYS, FloatArray, RunData, utc_days
from tandem_sim.experiments.run_folder.outputs import whole
from tandem_sim.grids.errors import printable

mdates: Any = matplotlib.dates  # published without annotations

FOOTNOTE = (
    "Unless the scenario brings its own: population, ratings and costs of flexibility are synthetic, "
    "profiles are measured (SimBench 2016)"
)
BLUE, RED, GREEN, ORANGE, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"
DARK, GREY, PALE = "#333333", "#8C8C8C", "#C8C8C8"
CYCLE = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY, DARK)
DASHES = ("-", "--", ":", "-.")
LONGEST_TITLE = 400
NO_SIZE = 1e-7
"""Values below it are rounding errors of sums (MW, EUR, %)."""
FAR = 4.0
"""A range over so many times that of 98 % of the values has extreme values."""
HOURS_DAYS = 2.1
"""Up to so many days ticks are hours."""
NIGHT_FROM, NIGHT_UNTIL = 22, 6
"""Local hours between which the background is shaded."""


@contextmanager
def house_style() -> Iterator[None]:
    """Matplotlib's defaults with Tandem's style within this context, whatever the user's own settings are."""
    path = resources.files("tandem_sim.experiments") / "tandem.mplstyle"
    with resources.as_file(path) as house, style.context(["default", house]):
        yield


def new_figure(
    title: str, scenario: str, width_in: float, height_in: float, note: str = "", footnote: str = FOOTNOTE
) -> Figure:
    """A figure with its title, that of the scenario, and a footnote, by default on the source of the data."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    heading = f"{title}  |  {scenario}" if scenario else title
    figure.suptitle(printable(heading, LONGEST_TITLE), x=0.01, ha="left", parse_math=False)
    # The footnote takes the place of a shared x label, for which the layout reserves room.
    figure.supxlabel(f"{note}{footnote}", x=0.01, ha="left", fontsize=7, color=GREY)
    return figure


FORMATS: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
}
"""Formats of figures, with metadata that would change from one day or library to the next left out."""


def save(figure: Figure, path: Path, form: str = "png") -> Path:
    """Write a file of a format of `FORMATS`, whose bytes depend only on the figure."""
    for ax in figure.axes:
        _tidy_zeros(ax)
    with whole(path) as part, rc_context({"svg.hashsalt": path.stem, "pdf.fonttype": 42}):
        figure.savefig(part, format=form, metadata=FORMATS[form])
    return path


def _tidy_zeros(ax: Axes) -> None:
    """One tick at zero on axes whose data are all zero, which would else have ticks of rounding errors."""
    for axis, shared, side, scaled, low in (
        (ax.xaxis, ax.get_shared_x_axes(), "intervalx", ax.get_autoscalex_on(), -0.2),
        (ax.yaxis, ax.get_shared_y_axes(), "intervaly", ax.get_autoscaley_on(), -1.0),
    ):
        ranges = [getattr(each.dataLim, side) for each in shared.get_siblings(ax) if each.has_data()]
        if scaled and ranges and all(-NO_SIZE < least <= most < NO_SIZE for least, most in ranges):
            axis.set_view_interval(low, 1.0, ignore=True)
            axis.set_major_locator(FixedLocator([0.0]))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value + 0.0:g}"))


def colour_of(index: int) -> tuple[str, str]:
    """Colour and dash pattern of the n-th line; neighbours differ in both, for print in grey."""
    return CYCLE[index % len(CYCLE)], DASHES[index % len(DASHES)]


def pale(colour: str) -> tuple[float, float, float]:
    """A colour mixed with white; opaque, so that no grid lines show through."""
    red, green, blue = (0.35 * part + 0.65 for part in to_rgb(colour))
    return red, green, blue


def band_note(data: RunData) -> str:
    """Begin of the footnote of figures with daily values."""
    return "Lines: daily mean, bands: daily range. " if data.is_long else ""


def draw_line(ax: Axes, data: RunData, values: FloatArray, **look: Any) -> None:
    """A value per ISP as steps, or its daily mean in a band from daily minimum to maximum."""
    if not data.is_long:
        ax.stairs(values, data.edges, baseline=None, **look)
        return
    day = data.daily(values)
    ax.stairs(
        day["max"],
        data.day_edges,
        baseline=day["min"].to_numpy(),
        fill=True,
        color=look.get("color"),
        alpha=0.2,
        linewidth=0,
        zorder=1,
    )
    ax.stairs(day["mean"], data.day_edges, baseline=None, **look)


def draw_cumulative(ax: Axes, data: RunData, values: FloatArray, **look: Any) -> None:
    """The running sum of a value per ISP, zero at the start of the horizon."""
    ax.plot(data.edges, np.append(0.0, np.cumsum(values)), **look)


def zero_line(ax: Axes) -> None:
    """A thin line at zero."""
    ax.axhline(0.0, color=DARK, linewidth=0.7, zorder=2)


def shade_nights(ax: Axes, data: RunData) -> None:
    """Shade local nights, unless the horizon is so long that figures show daily values."""
    if data.is_long:
        return
    first, last = data.local[0].tz_localize(None).normalize(), data.local[-1].tz_localize(None).normalize()
    for day in pd.date_range(first - pd.Timedelta(days=1), last, freq="D"):
        ends = [day + pd.Timedelta(hours=h) for h in (NIGHT_FROM, 24 + NIGHT_UNTIL)]
        local = pd.DatetimeIndex(ends).tz_localize(data.zone, ambiguous="NaT", nonexistent="shift_forward")
        left, right = np.clip(utc_days(local), data.edges[0], data.edges[-1])
        if left < right:
            ax.axvspan(left, right, color="#F2F3F7", linewidth=0, zorder=0)


def time_axis(ax: Axes, data: RunData, narrow: bool = False) -> None:
    """Ticks at local hours, midnights, Mondays or months, depending on the horizon and the width."""
    zone, days = ZoneInfo(data.zone), float(data.edges[-1] - data.edges[0])
    major, minor, form = _date_ticks(days * (2.0 if narrow else 1.0), zone)
    ax.set_xlim(data.edges[0], data.edges[-1])
    for place, locator in ((ax.xaxis.set_major_locator, major), (ax.xaxis.set_minor_locator, minor)):
        place(locator)
        place(FixedLocator(locator()))  # computed once: the layout reads them some forty times
    if form:
        ax.xaxis.set_major_formatter(mdates.DateFormatter(form, tz=zone))
    else:
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _hour(value, zone)))
    ax.set_xlabel(f"Local time, {data.zone} ({_dates(data)})")


def _hour(value: float, zone: ZoneInfo) -> str:
    """A local hour, with its date at midnight."""
    time = mdates.num2date(value, tz=zone)
    return f"{time:%H:%M\n%d %b}" if (time.hour, time.minute) == (0, 0) else f"{time:%H:%M}"


def _dates(data: RunData) -> str:
    """Years of a horizon, or its dates if the ticks are hours."""
    first, last = data.local[0], data.local[-1]
    if data.edges[-1] - data.edges[0] > HOURS_DAYS:
        return "-".join(map(str, sorted({first.year, last.year})))
    return f"{first:%d %b %Y}" + (f" to {last:%d %b %Y}" if first.date() != last.date() else "")


def _date_ticks(days: float, zone: ZoneInfo) -> tuple[Any, Any, str]:
    """Major and minor ticks, and the format of the major ones; empty for hours."""
    if days <= 1.0 / 12.0:
        return mdates.MinuteLocator(range(0, 60, 15), tz=zone), mdates.MinuteLocator([0], tz=zone), ""
    if days <= 0.3:
        return mdates.HourLocator(tz=zone), mdates.MinuteLocator(range(0, 60, 15), tz=zone), ""
    if days <= HOURS_DAYS:
        every = 3 if days <= 1.1 else 6
        return mdates.HourLocator(range(0, 24, every), tz=zone), mdates.HourLocator(tz=zone), ""
    if days <= LONG_DAYS + 0.5:
        return mdates.DayLocator(tz=zone), mdates.HourLocator(range(0, 24, 6), tz=zone), "%a\n%d %b"
    if days <= 100:
        return mdates.WeekdayLocator(mdates.MO, tz=zone), mdates.DayLocator(tz=zone), "%a\n%d %b"
    months = range(1, 13) if days <= 400 else range(1, 13, 2)
    return mdates.MonthLocator(list(months), tz=zone), mdates.WeekdayLocator(mdates.MO, tz=zone), "%b\n%Y"


def hour_by_day(ax: Axes, data: RunData, values: FloatArray, unit: str, centred: bool = False) -> None:
    """A value per ISP as a heat map: local days from left to right, local hours from bottom to top.

    Means of hours; the hour that comes twice as clocks change is the mean of both, the one that is left out
    is empty. `centred`: a scale with zero in its middle.
    """
    local, n_days = data.local, len(data.first_of_day)
    day = np.searchsorted(data.first_of_day, np.arange(len(values)), side="right") - 1
    means = pd.Series(values).groupby([np.asarray(local.hour), day]).mean().unstack()
    table = means.reindex(index=range(24), columns=range(n_days)).to_numpy(dtype=np.float64)
    most = float(np.nanmax(np.abs(table))) if np.isfinite(table).any() else 1.0
    scale: dict[str, Any] = {"cmap": "viridis"}
    if centred:
        scale = {"cmap": "RdBu", "vmin": -max(most, NO_SIZE), "vmax": max(most, NO_SIZE)}
    extend: Any = "neither"
    if limits := close_limits(values):
        low, high = (-max(map(abs, limits)), max(map(abs, limits))) if centred else limits
        scale |= {"vmin": low, "vmax": high}
        extend = "both"
    mesh = ax.pcolormesh(data.day_edges, np.arange(25), table, rasterized=True, **scale)
    ax.set_yticks(range(0, 25, 6), [f"{hour:02d}:00" for hour in range(0, 25, 6)])
    ax.set_ylabel("Local time of day (h)")
    ax.grid(False)
    figure: Any = ax.figure
    figure.colorbar(mesh, ax=ax, label=unit, pad=0.01, extend=extend)


def close_limits(values: FloatArray) -> tuple[float, float] | None:
    """Limits of a scale without a few extreme values; None if all values fit on one scale.

    Those are the 1st and the 99th percentile with room beside them, if the whole range is over four times it.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    low, high = (float(part) for part in np.percentile(known, [1.0, 99.0]))
    room = 0.25 * (high - low)
    if float(np.ptp(known)) <= FAR * (high - low) or room < NO_SIZE:
        return None
    return low - room, high + room


def legend_above(ax: Axes, **options: Any) -> None:
    """A legend in one row above the right end of the axes, level with the title at the left."""
    handles, labels = ax.get_legend_handles_labels()
    columns = options.pop("ncols", len(labels))
    ax.legend(handles, labels, loc="lower right", bbox_to_anchor=(1.0, 1.02), ncols=columns, **options)


def legend_right(ax: Axes) -> None:
    """A legend in one column to the right of the axes."""
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))


def say(ax: Axes, text: str) -> None:
    """A grey remark in the middle of axes without data."""
    ax.text(0.5, 0.6, text, transform=ax.transAxes, ha="center", va="center", color=GREY, fontsize=9)


def few_ticks(ax: Axes, count: int = 5) -> None:
    """At most so many intervals on the y axis."""
    ax.yaxis.set_major_locator(MaxNLocator(count))


def thousands(ax: Axes) -> None:
    """Tick labels of the y axis with thousands separators and no exponent."""
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: minus(f"{value:,.10g}")))


def minus(text: str) -> str:
    """A number with a typographic minus sign."""
    return text.replace("-", "\N{MINUS SIGN}")
