"""The part of the measured profiles that a fleet uses, laid out so that one ISP is a few array look-ups."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tandem_sim.grids.errors import ProfileError
from tandem_sim.grids.io.profiles import EV_HOME, HEAT_PUMP, HOUSEHOLD, PV, step_of
from tandem_sim.grids.series.profiles import Profiles
from tandem_sim.grids.types import FloatArray, IntArray

_CHARGING = 0.01
_PAUSE_H = 0.5
_HEATING_MEAN = 0.05
_NEVER = 1e9


@dataclass(frozen=True)
class ProfileColumns:
    """Places of the columns of a `Window`: household loads and PV by their profiles, then measured ones."""

    load_profiles: tuple[str, ...] = HOUSEHOLD
    pv_profiles: tuple[str, ...] = PV

    @property
    def names(self) -> tuple[str, ...]:
        """The profiles that are read, in order."""
        return (*self.load_profiles, *self.pv_profiles, *HEAT_PUMP, *EV_HOME)

    @property
    def household_at(self) -> int:
        """First column of household loads."""
        return 0

    @property
    def pv_at(self) -> int:
        """First column of PV."""
        return len(self.load_profiles)

    @property
    def heat_pump_at(self) -> int:
        """First column of heat pumps."""
        return self.pv_at + len(self.pv_profiles)

    @property
    def heating_at(self) -> int:
        """First column of the heating seasons of heat pumps."""
        return self.heat_pump_at + len(HEAT_PUMP)

    @property
    def sessions_at(self) -> tuple[int, int, int, int]:
        """First columns of energy, length, gap and level of the sessions of EVs."""
        first, n = self.heating_at + len(HEAT_PUMP), len(EV_HOME)
        return first, first + n, first + 2 * n, first + 3 * n

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.sessions_at[3] + len(EV_HOME)


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
    columns: ProfileColumns
    load_hours: FloatArray  # energy of a year of each load profile divided by its rating, h
    pv_hours: FloatArray | None  # the same of PV, where it is asked for

    def places(self, column: IntArray, shift: IntArray) -> IntArray:
        """Positions for ``read``: a column each, read ``shift`` ISPs later than the requested ISP."""
        place: IntArray = (shift + self.before - self.first) * self.columns.width + column
        return place

    def read(self, isp: int, places: IntArray) -> FloatArray:
        """Values at ``isp`` (from ``-first``, the burn-in, to the end of the horizon)."""
        values: FloatArray = self.flat[(isp + self.first) * self.columns.width :].take(places)
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


def load_window(
    times: pd.DatetimeIndex,
    *,
    shift_isps: int,
    first: int,
    profiles: Profiles,
    columns: ProfileColumns,
    pv_hours: bool,
) -> Window:
    """Read the window around ``times`` (UTC, evenly spaced).

    It extends ``shift_isps`` further on either side, and ``first`` ISPs of burn-in before that.

    Where the margin leaves a profile, it uses the same weekday and hour of the nearest week inside (see
    ``Profiles.around``). ``pv_hours``: whether the energy of a year of PV is needed. Raises ProfileError if
    ``times`` itself leaves a profile, and for an energy that is needed and not known.
    """
    if not len(times):
        raise ProfileError("times: the horizon must not be empty")
    hours = step_of(times) / pd.Timedelta(hours=1)
    before = shift_isps + first
    values = profiles.around(columns.names, times, before, shift_isps)
    heat = values[:, columns.heat_pump_at : columns.heating_at]
    charging = values[:, columns.heating_at :]
    tables = np.stack([sessions(charging[:, k], hours) for k in range(len(EV_HOME))], axis=2)
    season = _heating(heat, round(24 / hours))
    parts = [values[:, : columns.heating_at], season, tables.reshape(len(values), -1)]
    flat = np.hstack(parts).ravel()
    flat.setflags(write=False)
    return Window(
        flat=flat,
        before=before,
        first=first,
        columns=columns,
        load_hours=profiles.full_load_hours(columns.load_profiles),
        pv_hours=profiles.full_load_hours(columns.pv_profiles) if pv_hours else None,
    )


def _heating(heat: FloatArray, day: int) -> FloatArray:
    """1 where the mean over the day around a row is above 5 % of the rating: more than hot water, (T, n)."""
    total = np.vstack([np.zeros(heat.shape[1]), np.cumsum(heat, axis=0)])
    rows = np.arange(len(heat))
    low, high = np.maximum(rows - day // 2, 0), np.minimum(rows + day // 2 + 1, len(heat))
    mean = (total[high] - total[low]) / (high - low)[:, None]
    season: FloatArray = (mean > _HEATING_MEAN).astype(np.float64)
    return season
