"""Forecasts that a scenario gives: when issued, for when, how many MW."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from tandem_sim.agents.base.forecast import GivenForecast
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.published.read import read_forecasts
from tandem_sim.grids.types import IntArray
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.inputs.injections import check_ratio
from tandem_sim.sim.scenario.scenario import Scenario
from tandem_sim.sim.scenario.series_sections import GivenForecastSettings

MINUTE, SECOND = pd.Timedelta(minutes=1), pd.Timedelta(seconds=1)


def given_forecasts(
    scenario: Scenario, calendar: Calendar, folder: Path | None, sizes_mw: Mapping[str, float]
) -> Mapping[str, GivenForecast]:
    """Forecasts by area (or T). Raises `InputError`, also where they are far above an area's size (MW).

    Every ISP needs a forecast that is issued by the day-ahead gate of its day; of several the last one issued
    by now is used.
    """
    areas = [T, *(area.id for area in scenario.distribution)]
    found: dict[str, GivenForecast] = {}
    for k, given in enumerate(scenario.forecast.given):
        field = f"forecast.given.{k}"
        if given.area not in areas:
            raise InputError(
                "scenario", f"{field}.area", f"{given.area} is no area", f"Use {', '.join(areas)}"
            )
        if given.area in found:
            raise InputError(
                "scenario", f"{field}.area", f"{given.area} has forecasts already", "Give one file"
            )
        found[given.area] = _forecast(given, calendar, folder, sizes_mw[given.area], field)
    return found


def _forecast(
    given: GivenForecastSettings, calendar: Calendar, folder: Path | None, size_mw: float, field: str
) -> GivenForecast:
    rows = read_forecasts(
        (folder or Path()) / given.file,
        issued=given.issued,
        valid=given.valid,
        value=given.value,
        zone=given.zone,
    )
    factor = given.scale * (1e-3 if given.unit == "kW" else 1.0)
    step = pd.Timedelta(seconds=calendar.isp_seconds)
    short = min(step, rows.step)
    if step % short or rows.step % short or ((rows.valid - calendar.start) % short != pd.Timedelta(0)).any():
        raise InputError(
            given.file,
            given.valid,
            f"has steps of {rows.step / MINUTE:g} min that do not go into ISPs of {calendar.isp_minutes} min",
            "Give forecasts whose times are starts of ISPs, or of parts of them",
        )
    per_row, per_isp = max(1, round(rows.step / step)), max(1, round(step / rows.step))
    first_isp = ((rows.valid - calendar.start) // step).to_numpy(dtype=np.int64)
    table = pd.DataFrame(
        {
            "isp": (first_isp[:, None] + np.arange(per_row)[None, :]).ravel(),
            "issued": np.repeat(((rows.issued - calendar.start) // SECOND).to_numpy(dtype=np.int64), per_row),
            "mw": np.repeat(-factor * rows.values, per_row),
        }
    )
    table = table[(table.isp >= 0) & (table.isp < calendar.n_isp)]
    found = table.groupby(["isp", "issued"]).mw.agg(["mean", "size"]).reset_index()  # sorted by both
    found = found[found["size"] == per_isp]  # an ISP of which an issue forecasts a part has none by it
    isp, issued = found.isp.to_numpy(dtype=np.int64), found.issued.to_numpy(dtype=np.int64)
    values = found["mean"].to_numpy(dtype=np.float64)
    first = np.searchsorted(isp, np.arange(calendar.n_isp + 1)).astype(np.int64)
    _check_covered(given, calendar, issued, first)
    check_ratio(
        float(np.abs(values).max(initial=0.0)),
        size_mw,
        lowest=False,
        what=f"{given.value} of {given.file}",
        field=field,
        sure=False,
    )
    return GivenForecast(issued, values, first)


def _check_covered(
    given: GivenForecastSettings, calendar: Calendar, issued_s: IntArray, first: IntArray
) -> None:
    """Raise `InputError` for an ISP without a forecast by the day-ahead gate of its day."""
    for gate_s, day in calendar.days():
        for isp in day:
            begin, end = first[isp], first[isp + 1]
            if begin == end or issued_s[begin] > gate_s:
                when = calendar.time(calendar.seconds(isp)).tz_convert(calendar.zone)
                gate = calendar.time(gate_s).tz_convert(calendar.zone)
                raise InputError(
                    given.file,
                    given.valid,
                    f"has no forecast of {when:%Y-%m-%d %H:%M} that is issued by {gate:%Y-%m-%d %H:%M}",
                    "Schedules are made at that day-ahead gate: give a forecast of every ISP by then",
                )
