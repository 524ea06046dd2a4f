"""The part of the measured profiles that a fleet uses, laid out so that one ISP is a few array look-ups."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tandem_sim.grids.errors import ProfileError
from tandem_sim.grids.io.profiles import EV_HOME, HEAT_PUMP, HOUSEHOLD, PV, measured, span, step_of
from tandem_sim.grids.types import FloatArray, IntArray

_CHARGING = 0.01
_PAUSE_H = 0.5
_HEATING_MEAN = 0.05
_NEVER = 1e9

_NAMES = (*HOUSEHOLD, *PV, *HEAT_PUMP, *EV_HOME)
HOUSEHOLD_AT = 0
PV_AT = HOUSEHOLD_AT + len(HOUSEHOLD)
HEAT_PUMP_AT = PV_AT + len(PV)
HEATING_AT = HEAT_PUMP_AT + len(HEAT_PUMP)
SESSION_AT = HEATING_AT + len(HEAT_PUMP)
ENERGY, LENGTH, GAP, LEVEL = (SESSION_AT + k * len(EV_HOME) for k in range(4))
COLUMNS = SESSION_AT + 4 * len(EV_HOME)


@dataclass(frozen=True)
class Window:
    """Profiles from ``before`` ISPs before the horizon to as many after it, in one flat read-only array.

    Columns: household loads, PV and heat pumps in units of their rating; 1 where a heat pump is in its
    heating season; then, in the row where an EV session arrives, its energy (h, times rated kW gives kWh),
    shortest length (ISPs), distance to the next arrival (ISPs) and highest power (units of the rating).
    """

    flat: FloatArray
    before: int
    first: int

    def places(self, column: IntArray, shift: IntArray) -> IntArray:
        """Positions for ``read``: a column each, read ``shift`` ISPs later than the requested ISP."""
        place: IntArray = (shift + self.before - self.first) * COLUMNS + column
        return place

    def read(self, isp: int, places: IntArray) -> FloatArray:
        """Values at ``isp`` (from ``-first``, the burn-in, to the end of the horizon)."""
        values: FloatArray = self.flat[(isp + self.first) * COLUMNS :].take(places)
        return values


def sessions(charging: FloatArray, hours: float) -> FloatArray:
    """Charging sessions in one measured home-charging profile.

    A session is a block of charging (above 1 % of the rating); blocks up to half an hour apart are one.
    ``charging`` (T,) in units of the rating. Returns (T, 4): energy, length, gap and level as in
    ``Window``, in the rows where sessions arrive, 0 elsewhere.
    """
    table = np.zeros((len(charging), 4))
    on = charging > _CHARGING
    edges = np.flatnonzero(np.diff(np.concatenate([[False], on, [False]]).astype(np.int64)))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return table
    apart = starts[1:] - ends[:-1] > _PAUSE_H / hours
    starts, ends = starts[np.append(True, apart)], ends[np.append(apart, True)]
    total = np.concatenate([[0.0], np.cumsum(np.where(on, charging, 0.0))])
    level = np.maximum.reduceat(charging, starts)
    length = ends - starts
    # Rounding must not give more energy than full power over the whole block.
    energy = np.minimum((total[ends] - total[starts]) * hours, level * length * hours)
    table[starts] = np.column_stack([energy, length, np.append(np.diff(starts), _NEVER), level])
    return table


def load_window(times: pd.DatetimeIndex, shift_isps: int, first: int) -> Window:
    """Read the window around ``times`` (UTC, evenly spaced).

    It extends ``shift_isps`` further on either side, and ``first`` ISPs of burn-in before that.

    Where the margin leaves the measured year, it uses the same weekday and hour of the nearest week inside.
    Raises ProfileError if ``times`` itself leaves it.
    """
    step = step_of(times)
    hours = step / pd.Timedelta(hours=1)
    begin, end = span()
    if not len(times) or times[0] < begin or times[-1] + step > end:
        raise ProfileError(f"times: the horizon must not be empty and must lie inside {begin} to {end}")
    before = shift_isps + first
    rows = np.arange(-before, len(times) + shift_isps)
    # A week more than needed on either side, so that there is always a week to use.
    week = round(168 / hours)
    low = max(-before - week, -int((times[0] - begin) // step))
    high = min(len(times) + shift_isps + week, int((end - times[0]) // step))
    rows = np.where(rows < low, rows + -(-(low - rows) // week) * week, rows)
    rows = np.where(rows >= high, rows - -(-(rows + 1 - high) // week) * week, rows)
    index = pd.date_range(times[0] + low * step, periods=high - low, freq=step)
    values = measured(_NAMES, index)[rows - low]
    heat = values[:, HEAT_PUMP_AT:HEATING_AT]
    charging = values[:, HEATING_AT:]
    tables = np.stack([sessions(charging[:, k], hours) for k in range(len(EV_HOME))], axis=2)
    columns = [values[:, :HEATING_AT], _heating(heat, round(24 / hours)), tables.reshape(len(values), -1)]
    flat = np.hstack(columns).ravel()
    flat.setflags(write=False)
    return Window(flat, before, first)


def _heating(heat: FloatArray, day: int) -> FloatArray:
    """1 where the mean over the day around a row is above 5 % of the rating: more than hot water, (T, n)."""
    total = np.vstack([np.zeros(heat.shape[1]), np.cumsum(heat, axis=0)])
    rows = np.arange(len(heat))
    low, high = np.maximum(rows - day // 2, 0), np.minimum(rows + day // 2 + 1, len(heat))
    mean = (total[high] - total[low]) / (high - low)[:, None]
    season: FloatArray = (mean > _HEATING_MEAN).astype(np.float64)
    return season
