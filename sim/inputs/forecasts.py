"""Forecasts that a scenario gives: when issued, for when, how many MW."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.published.read import read_forecasts
from tandem_sim.grids.types import FloatArray, IntArray
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.scenario.scenario import Scenario
from tandem_sim.sim.scenario.series_sections import GivenForecastSettings


@dataclass(frozen=True)
class GivenForecast:
    """Forecasts of the net injection of one area, sorted by ISP and second of issue; arrays (R,).

    `first` (T + 1,) is the place of the first row of every ISP.
    """

    issued_s: IntArray
    net_mw: FloatArray
    first: IntArray

    def at(self, isp: int, now_s: int) -> float:
        """Net injection (MW) by the last forecast of an ISP that is issued by now."""
        begin, end = int(self.first[isp]), int(self.first[isp + 1])
        place = begin + int(np.searchsorted(self.issued_s[begin:end], now_s, side="right")) - 1
        return float(self.net_mw[max(place, begin)])


def given_forecasts(
    scenario: Scenario, calendar: Calendar, folder: Path | None
) -> Mapping[str, GivenForecast]:
    """Forecasts by area (or T). Raises `InputError`.

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
        found[given.area] = _forecast(given, calendar, folder)
    return found


def _forecast(given: GivenForecastSettings, calendar: Calendar, folder: Path | None) -> GivenForecast:
    rows = read_forecasts(
        (folder or Path()) / given.file,
        issued=given.issued,
        valid=given.valid,
        value=given.value,
        zone=given.zone,
    )
    factor = given.scale * (1e-3 if given.unit == "kW" else 1.0)
    step = pd.Timedelta(seconds=calendar.isp_seconds)
    per_row = max(1, round(rows.step / step))
    first_isp = ((rows.valid - calendar.start) // step).to_numpy(dtype=np.int64)
    isp = (first_isp[:, None] + np.arange(per_row)[None, :]).ravel()
    issued = np.repeat(((rows.issued - calendar.start) // pd.Timedelta(seconds=1)).to_numpy(), per_row)
    values = np.repeat(-factor * rows.values, per_row)
    inside = (isp >= 0) & (isp < calendar.n_isp)
    isp, issued, values = isp[inside], issued[inside].astype(np.int64), values[inside]
    order = np.lexsort((issued, isp))
    isp, issued, values = isp[order], issued[order], values[order]
    first = np.searchsorted(isp, np.arange(calendar.n_isp + 1)).astype(np.int64)
    _check_covered(given, calendar, issued, first)
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
