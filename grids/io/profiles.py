"""Measured 15-minute profiles of loads and renewables, read from the SimBench package.

Source: Meinecke et al., "SimBench - A Benchmark Dataset of Electric Power Systems to Compare Innovative
Solutions Based on Power Flow Analysis", Energies 13(12), 3290, 2020; the files ``LoadProfile.csv`` and
``RESProfile.csv`` of its complete dataset, year 2016, 35 136 rows.

**Time.** The labels are German wall-clock time: they jump from 01:45 to 03:00 on 27 March 2016 and from
02:45 back to 02:00 on 30 October. So the rows are contiguous in UTC, from
2015-12-31 23:00 to 2016-12-31 23:00 (exclusive), and they are placed there. Shops and offices confirm this
(``G1-B`` opens at the same label all year). Two deviations are left as published, because every other
SimBench study uses the columns as they are:

* H0-A, H0-B, H0-C, H0-G, H0-L and the heat pumps do *not* follow summer time: across both clock changes their
  daily pattern moves by +-60 min in label time and not at all in UTC, so in summer they run one hour late
  against the wall clock.
* PV does not jump in UTC either, as expected, but it is about an hour too early all year: daylight in
  the eight columns is centred on 09:10 to 11:40 UTC, 10:25 on average; solar noon at 10 degrees east lies
  between 11:05 and 11:35.

**Normalisation.** Values multiply a rating and are dimensionless. Loads (``H0-*``, ``G*``, heat pumps) peak
at 1; home chargers (``HLS_*_<kW>``) are in units of the charger's kW in their name, peaks 0.993 to 0.999;
PV is in units of installed power and peaks at 0.59 to 0.63, which means 575 to 697 full-load hours.
``full_load_hours`` gives the year's energy in kWh at 1 kW: H0 496 to 1222, heat pumps 427 to 1469,
home chargers 46 to 223. A few negative readings (down to -1.2e-5, meter offset) are set to 0.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from tandem_sim.grids.errors import ProfileError
from tandem_sim.grids.types import FloatArray, IntArray

HOUSEHOLD = ("H0-A", "H0-B", "H0-C", "H0-G", "H0-L")
COMMERCIAL = (
    "G0-A",
    "G0-M",
    "G1-A",
    "G1-B",
    "G1-C",
    "G2-A",
    "G3-A",
    "G3-H",
    "G3-M",
    "G4-A",
    "G4-B",
    "G4-H",
    "G4-M",
    "G5-A",
    "G6-A",
)
PV = ("PV1", "PV2", "PV3", "PV4", "PV5", "PV6", "PV7", "PV8")
WIND = ("WP1", "WP2", "WP3", "WP4", "WP5", "WP6", "WP7", "WP8", "WP9", "WP10", "WP11", "WP12")
HEAT_PUMP = (
    "Air_Alternative_1",
    "Air_Alternative_2",
    "Air_Parallel_1",
    "Air_Parallel_2",
    "Air_Semi-Parallel_1",
    "Air_Semi-Parallel_2",
    "Soil_Alternative_1",
    "Soil_Alternative_2",
)
EV_HOME = ("HLS_A_3.7", "HLS_B_3.7", "HLS_C_3.7", "HLS_A_11.0", "HLS_B_11.0", "HLS_A_22.0")
REGION = ("mv_comm", "mv_rural", "mv_semiurb", "mv_urban", "hv_mixed1", "hv_mixed2", "hv_mixed3", "hv_urban")
EV_HOME_KW = (3.7, 3.7, 3.7, 11.0, 11.0, 22.0)

PROFILES: dict[str, tuple[str, ...]] = {
    "household": HOUSEHOLD,
    "commerce and farming": COMMERCIAL,
    "region, its generation taken off": REGION,
    "photovoltaics": PV,
    "wind": WIND,
    "heat pump": HEAT_PUMP,
    "electric car at home": EV_HOME,
}
"""All profiles by category."""

_LOADS = HOUSEHOLD + COMMERCIAL + HEAT_PUMP + EV_HOME + REGION
_RENEWABLES = PV + WIND
KNOWN = _LOADS + _RENEWABLES

_FOLDER = "networks/1-complete_data-mixed-all-2-sw"
LABEL_ZONE = "Europe/Berlin"
"""Zone of the labels of the measured year."""
_NATIVE = pd.Timedelta(minutes=15)
_NATIVE_NS = _NATIVE.value
_ROWS = 366 * 96
_NS_PER_HOUR = pd.Timedelta(hours=1).value


def _read(file: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read only the named columns of one SimBench file: parsing the others would take most of the time."""
    # The package is located without importing it: its import takes seconds.
    spec = find_spec("simbench")
    if spec is None or spec.origin is None:
        raise ProfileError("simbench: the package of measured profiles is missing; install simbench 1.6")
    path = Path(spec.origin).parent / _FOLDER / file
    return pd.read_csv(path, sep=";", engine="pyarrow", usecols=list(columns))


@lru_cache(maxsize=1)
def _first_ns() -> int:
    """UTC start of the first row in ns; checks that the labels are contiguous wall-clock time."""
    column = _read("RESProfile.csv", ("time",))["time"]
    labels = pd.DatetimeIndex(pd.to_datetime(column, format="%d.%m.%Y %H:%M"))
    stamps = (
        labels.tz_localize(LABEL_ZONE, ambiguous="infer")
        .tz_convert("UTC")
        .as_unit("ns")
        .astype("int64")
        .to_numpy()
    )
    if len(stamps) != _ROWS or (np.diff(stamps) != _NATIVE_NS).any():
        raise ProfileError(
            "time: the installed simbench package does not label its profiles in German wall-clock time; "
            "install simbench 1.6"
        )
    return int(stamps[0])


_CACHE: dict[str, FloatArray] = {}


def _load(names: Sequence[str]) -> None:
    """Bring the named profiles into memory, one read per file."""
    for file, known, suffix in (("LoadProfile.csv", _LOADS, "_pload"), ("RESProfile.csv", _RENEWABLES, "")):
        wanted = tuple(dict.fromkeys(n for n in names if n in known and n not in _CACHE))
        if not wanted:
            continue
        frame = _read(file, tuple(n + suffix for n in wanted))
        for name in wanted:
            values = np.maximum(frame[name + suffix].to_numpy(dtype=np.float64), 0.0)
            values.setflags(write=False)
            _CACHE[name] = values


def check_names(names: Sequence[str], others: Iterable[str] = ()) -> None:
    """Raise `ProfileError` for a name that is neither a measured profile nor one of `others`."""
    known = [*KNOWN, *others]
    unknown = [n for n in names if n not in known]
    if unknown:
        listed = ", ".join(map(repr, unknown))
        near = [name for n in unknown for name in get_close_matches(n, known, n=1)]
        meant = f" (did you mean {' and '.join(near)}?)" if near else ""
        raise ProfileError(f"names: unknown profile {listed}{meant}; known are {', '.join(known)}")


def _matrix(names: Sequence[str]) -> FloatArray:
    check_names(names)
    _load(names)
    return np.column_stack([_CACHE[n] for n in names]) if names else np.empty((_ROWS, 0))


def span() -> tuple[pd.Timestamp, pd.Timestamp]:
    """First instant and first instant after the end of the measured year, both UTC."""
    first = pd.Timestamp(_first_ns(), tz="UTC")
    return first, first + _ROWS * _NATIVE


def full_load_hours(names: Sequence[str]) -> FloatArray:
    """Energy of each profile over the measured year at 1 kW rating, in kWh; shape (len(names),)."""
    hours: FloatArray = _matrix(names).sum(axis=0) * (_NATIVE_NS / _NS_PER_HOUR)
    return hours


def step_of(times: pd.DatetimeIndex) -> pd.Timedelta:
    """Return the constant step of left-labelled ``times``; 15 min for a single label.

    Raises ProfileError if the labels carry no zone or are not evenly spaced and rising.
    """
    if times.tz is None:
        raise ProfileError("times: labels carry no time zone; localise them to UTC")
    steps = np.diff(times.as_unit("ns").astype("int64").to_numpy())
    if not len(steps):
        return _NATIVE
    if (steps != steps[0]).any() or steps[0] <= 0:
        raise ProfileError("times: labels are not evenly spaced and rising; pass one regular range")
    return pd.Timedelta(int(steps[0]), unit="ns")


def measured(names: Sequence[str], times: pd.DatetimeIndex) -> FloatArray:
    """Measured profiles at left-labelled, evenly spaced, tz-aware ``times``.

    Each value is the mean over its step, so energy is conserved for any step: 15 min gives the rows
    themselves, shorter steps repeat them, longer steps average them.

    Returns an array of shape (len(times), len(names)), dimensionless, to be multiplied by a rating.
    Raises ProfileError for an unknown name, irregular labels, or a time outside ``span()``.
    """
    matrix = _matrix(names)
    if not len(times):
        return np.empty((0, len(names)))
    step_ns = step_of(times).value
    starts: IntArray = times.tz_convert("UTC").as_unit("ns").astype("int64").to_numpy() - _first_ns()
    if starts[0] < 0 or starts[-1] + step_ns > len(matrix) * _NATIVE_NS:
        first, last = span()
        end = times[-1] + pd.Timedelta(step_ns, unit="ns")
        raise ProfileError(
            f"times: {times[0]} to {end} leaves the measured year, {first} to {last}; "
            "move the horizon inside it"
        )
    if step_ns == _NATIVE_NS and starts[0] % _NATIVE_NS == 0:
        row = int(starts[0] // _NATIVE_NS)
        return matrix[row : row + len(times)]
    edges = np.append(starts, starts[-1] + step_ns) / _NATIVE_NS
    below = np.minimum(edges.astype(np.int64), len(matrix) - 1)
    energy = np.vstack([np.zeros(len(names)), np.cumsum(matrix, axis=0)])
    at_edges = energy[below] + (edges - below)[:, None] * matrix[below]
    # Differences of sums leave some 1e-12 where the profile is 0; no profile here is negative.
    means: FloatArray = np.maximum(np.diff(at_edges, axis=0) * (_NATIVE_NS / step_ns), 0.0)
    return means
