"""Profiles of a scenario: the measured ones, and files of time series of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from tandem_sim.grids.errors import InputError, ProfileError
from tandem_sim.grids.io.profiles import KNOWN
from tandem_sim.grids.published.read import read_series, series_path
from tandem_sim.grids.series.calendar import FULL_YEAR, whole_days
from tandem_sim.grids.series.profiles import HOURS_A_YEAR, MW, PER_UNIT, PRICE, OwnProfile, Profiles
from tandem_sim.grids.series.series import Series
from tandem_sim.grids.series.tables import TableFormat
from tandem_sim.grids.types import FloatArray
from tandem_sim.sim.clock.public_holidays import ZONE, public_holidays
from tandem_sim.sim.scenario.scenario import Scenario
from tandem_sim.sim.scenario.series_sections import ProfileSettings

LARGEST_PU = 20.0
"""Largest size of values in p.u.: beyond it the unit is taken to be wrong."""
ENERGY_TOLERANCE = 0.01


def build_profiles(scenario: Scenario, folder: Path | None) -> Profiles:
    """The profiles of a scenario whose relative paths start in `folder`. Raises `InputError`."""
    own: dict[str, OwnProfile] = {}
    for k, settings in enumerate(scenario.profiles):
        for name, profile in _profiles_of(settings, f"profiles.{k}", scenario.zone, folder).items():
            if name in own:
                raise InputError(
                    "scenario",
                    f"profiles.{k}",
                    f"{name} is already a profile of {own[name].source}",
                    "Give another name under columns",
                )
            own[name] = profile
    code = scenario.settlement.holidays
    return Profiles(
        zone=scenario.zone,
        own=own,
        holidays=lambda zone, first, last: public_holidays(
            code if zone == scenario.zone else ZONE, zone, first, last
        ),
    )


@contextmanager
def profile_named(field: str) -> Iterator[None]:
    """A `ProfileError` becomes an `InputError` on a field of the scenario."""
    try:
        yield
    except ProfileError as error:
        problem, _, hint = str(error).removeprefix("names: ").partition("; ")
        advice = (hint[:1].upper() + hint[1:]) if hint else "Change the profile, or start and days"
        raise InputError("scenario", field, problem, advice) from error


def _profiles_of(
    settings: ProfileSettings, field: str, zone: str, folder: Path | None
) -> dict[str, OwnProfile]:
    """The profiles of one file, by name."""
    form = TableFormat(
        time_column=settings.time_column,
        time_format=settings.time_format,
        zone=settings.zone,
        end_labels=settings.labels == "end",
        separator=settings.separator,
        decimal_mark=settings.decimal_mark,
    )
    series = read_series(
        series_path(settings.file, folder),
        form,
        list(settings.columns),
        kind=settings.format,
        resolution=settings.resolution,
    )
    names = settings.columns or {name: name for name in series.values}
    for key, given in (("energy_mwh", settings.energy_mwh), ("full_load_hours", settings.full_load_hours)):
        unknown = sorted(set(given) - set(names.values()))
        if unknown:
            known = ", ".join(names.values())
            raise InputError(
                "scenario", f"{field}.{key}", f"{unknown[0]} is no profile of this file", f"Use {known}"
            )
    return {
        name: _profile(settings, series, column, name, field=field, zone=zone)
        for column, name in names.items()
    }


def _profile(
    settings: ProfileSettings, series: Series, column: str, name: str, *, field: str, zone: str
) -> OwnProfile:
    """One column as a profile in MW, p.u. or EUR/MWh, checked."""
    hours = series.step / pd.Timedelta(hours=1)
    if name in KNOWN:
        raise InputError(
            series.source, column, "is the name of a measured profile of SimBench", "Name it under columns"
        )
    factor, unit = {
        "kW": (1e-3, MW),
        "MW": (1.0, MW),
        "kWh": (1e-3 / hours, MW),
        "MWh": (1.0 / hours, MW),
        "p.u.": (1.0, PER_UNIT),
        "EUR/MWh": (1.0, PRICE),
    }[settings.unit or series.units[column]]
    values = np.asarray(series.column(column) * (factor * settings.scale))
    if unit == PER_UNIT:
        _check_size(series, column, values, settings.scale)
    energy, wanted = float(values.sum() * hours), settings.energy_mwh.get(name)
    if wanted is not None and abs(energy - wanted) > ENERGY_TOLERANCE * abs(wanted):
        ratio = f", {energy / wanted:.4g} times as much" if wanted else ""
        raise InputError(
            "scenario",
            f"{field}.energy_mwh.{name}",
            f"the column {column} of {series.source} holds {energy:.6g} MWh, not {wanted:.6g} MWh{ratio}",
            "Check unit, scale and the column",
        )
    days = len(whole_days(_times(series), zone)) if series.n > 1 else 0
    if settings.year == "aligned" and days < FULL_YEAR:
        raise InputError(
            "scenario",
            f"{field}.year",
            f"aligned needs a whole year of {series.source}, which has {days} whole days in {zone}",
            "Give a longer file, or year: own",
        )
    span_h = series.n * hours
    return OwnProfile(
        source=series.source,
        unit=unit,
        values=values,
        start=series.start,
        step=series.step,
        aligned=settings.year == "aligned",
        full_load_hours=settings.full_load_hours.get(name)
        if name in settings.full_load_hours or days < FULL_YEAR
        else energy / span_h * HOURS_A_YEAR,
        energy_checked=wanted is not None,
    )


def _check_size(series: Series, column: str, values: FloatArray, scale: float) -> None:
    """Refuse per-unit values of a size that only another unit explains."""
    largest = float(np.abs(values).max())
    if largest > LARGEST_PU:
        scaled = f" after scale {scale:g}" if scale != 1.0 else ""
        raise InputError(
            series.source,
            column,
            f"reaches {largest:g}{scaled}; values in p.u. are a share of a rating or of nominal load",
            "Give unit: kW or MW, or a scale that makes them shares",
        )


def _times(series: Series) -> pd.DatetimeIndex:
    return pd.date_range(series.start, periods=series.n, freq=series.step)


def power_profile(
    profiles: Profiles, names: list[str], times: pd.DatetimeIndex, field: str
) -> tuple[FloatArray, str]:
    """Profiles of load (T,) and their unit.

    Measured ones: their mean, 1 at its peak of the measured year. One's own in p.u.: their mean as it is.
    One's own in kW or MW: their sum, MW.
    """
    names = sorted(names)  # the order of a sum changes its last digit
    with profile_named(field):
        unit = profiles.unit(names)
        own = [name for name in names if name in profiles.own]
        if own and len(own) < len(names):
            raise InputError(
                "scenario",
                field,
                f"mixes measured profiles with one of one's own ({own[0]})",
                "Use the ones or the others: measured profiles are scaled to their peak",
            )
        if unit == PRICE:
            raise InputError("scenario", field, f"{names[0]} is a price", "Give a profile of power")
        values = profiles.at(names, times)
        if unit == MW:
            return np.asarray(values.sum(axis=1)), unit
        mean = values.mean(axis=1)
        if not own:
            mean = mean / profiles.year(names).mean(axis=1).max()
        return np.asarray(mean), unit
