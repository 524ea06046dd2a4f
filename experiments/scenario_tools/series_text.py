"""What ``tandem validate`` says on time series of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from tandem_sim.experiments.scenario_tools.calibration_text import table
from tandem_sim.grids.errors import printable
from tandem_sim.grids.series.profiles import MW, OwnProfile, Profiles

_HEAD = "profile", "unit", "from (UTC)", "to (UTC)", "minutes", "least", "most", "MWh", "file"


def series_lines(profiles: Profiles) -> list[str]:
    """A line for each series as it was read, after scale and change of unit."""
    if not profiles.own:
        return []
    return ["Series:", *table(_HEAD, list(_rows(profiles)))]


def _rows(profiles: Profiles) -> Iterator[tuple[str, ...]]:
    for name, own in profiles.own.items():
        values = own.values
        yield (
            printable(name, 30),
            own.unit,
            *(f"{time:%Y-%m-%d %H:%M}" for time in (own.start, own.end)),
            f"{own.step / pd.Timedelta(minutes=1):g}",
            *(f"{value:.4g}" for value in (values.min(), values.max())),
            _energy(own),
            printable(Path(own.source).name, 30),
        )


def _energy(own: OwnProfile) -> str:
    return f"{own.values.sum() * (own.step / pd.Timedelta(hours=1)):.6g}" if own.unit == MW else "-"
