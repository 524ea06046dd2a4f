"""Sections of a scenario on time series of one's own: profiles, injections of grid elements, prices."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tandem_sim.grids.io.profiles import KNOWN
from tandem_sim.sim.scenario.quantities import (
    BusIndex,
    Section,
    Word,
    about,
    file_path,
    number,
    series_name,
    several,
    text,
)

Unit = Literal["kW", "MW", "kWh", "MWh", "p.u.", "EUR/MWh"]
Energy = Annotated[float, Field(ge=-1e12, le=1e12, strict=True, allow_inf_nan=False)]
Hours = Annotated[float, Field(gt=0.0, le=8784.0, strict=True, allow_inf_nan=False)]


class ProfileSettings(Section):
    """A file of time series. Its columns may be named wherever a profile is asked for."""

    file: str = series_name("File of series, relative to the scenario, or germany-2025, which is bundled.")
    format: Literal["table", "entsoe-xml", "entsoe-csv", "smard", "elia", "tennet"] = about(
        "What the file is: a table of one's own, or as these publishers write it.", "table"
    )
    unit: Unit | Literal[""] = about(
        "Unit of the values, stated by the file for published formats. kWh and MWh are the energy of a row; "
        "p.u. multiply a rating or nominal load.",
        "",
    )
    resolution: str = text(
        "Of several resolutions in a file of ENTSO-E, the one to read: PT15M.", "", least=0
    )
    columns: dict[Word, Word] = several(
        "Names of profiles by column of the file, such as load_kw: town; all, by their own names, if empty.",
        10_000,
        {},
    )
    time_column: str = text("Column of the times; the first if empty.", "", least=0)
    time_format: str = text("Form of times that are not ISO 8601, such as %d.%m.%Y %H:%M.", "", least=0)
    zone: str = text("Time zone of times without an offset from UTC.", "", least=0)
    labels: Literal["start", "end"] = about("Whether a time is the start or the end of its row.", "start")
    separator: Literal[",", ";", "\t"] = about("Separator of the cells of a CSV.", ",")
    decimal_mark: Literal[".", ","] = about("Decimal mark of a CSV.", ".")
    scale: float = number("Factor on all values.", "p.u.", (-1e9, 1e9), 1.0)
    year: Literal["own", "aligned"] = about(
        "Years in which it is read. own: it has to cover the horizon; aligned: any year, by season, weekday "
        "and public holiday, and it has to cover a year.",
        "own",
    )
    energy_mwh: dict[Word, Energy] = several(
        "Energy of the file by profile, after scale: a difference of 1 % is an error.", 10_000, {}, unit="MWh"
    )
    full_load_hours: dict[Word, Hours] = several(
        "Energy of a year by profile, divided by 1 p.u., of files shorter than a year.", 10_000, {}, unit="h"
    )

    @model_validator(mode="after")
    def _consistent(self) -> ProfileSettings:
        names = list(self.columns.values())
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"columns: the name {twice[0]} is given to two columns")
        for name in names:
            if name in KNOWN:
                raise ValueError(f"columns: {name} is the name of a measured profile of SimBench")
        if (self.format == "table") != bool(self.unit):
            raise ValueError(
                f"unit: format {self.format} {'needs one' if not self.unit else 'states its own'}"
            )
        if self.separator == self.decimal_mark:
            raise ValueError("separator: is the decimal mark as well")
        if self.unit in ("EUR/MWh", "p.u.") and self.energy_mwh:
            raise ValueError(f"energy_mwh: values in {self.unit} have no energy")
        return self


class InjectionSettings(Section):
    """A load, generator or storage of the grid, or a bus, whose power follows a profile. It sells nothing."""

    element: str = text(
        "Element of the net: sgen 3 (index), sgen Wind farm (name), or sgen for all others of the table; "
        "load, sgen, storage, gen.",
        "",
        least=0,
    )
    bus: BusIndex | None = about("Bus, for an injection that is no element of the net.", None)
    kind: Literal["load", "generation"] = about("What an injection at a bus is.", "load")
    profile: Word = about("Profile: measured, or of one's own; net: the name in the net's column profile.")
    scale: float = number("Factor on the profile.", "p.u.", (0.0, 100.0), 1.0, usual=(0.001, 10.0))
    tan_phi: float | None = number(
        "Reactive per active power; that of the net's element if left out.",
        "Mvar/MW",
        (-10.0, 10.0),
        None,
        usual=(-1.0, 1.0),
    )

    @model_validator(mode="after")
    def _one_place(self) -> InjectionSettings:
        if bool(self.element) == (self.bus is not None):
            raise ValueError("element: give either element or bus")
        return self


class PriceSettings(Section):
    """Prices that are given and not simulated. Each is the name of a profile in EUR/MWh."""

    day_ahead: str = text("Day-ahead price; empty: that of the simulated market.", "", least=0)
    imbalance: str = text("Imbalance price of both directions; empty: simulated.", "", least=0)
    imbalance_long: str = text("Imbalance price of a surplus, with imbalance_short.", "", least=0)
    imbalance_short: str = text("Imbalance price of a deficit, with imbalance_long.", "", least=0)

    @property
    def given(self) -> list[str]:
        """Which prices are given: ``day_ahead``, ``imbalance``."""
        imbalance = self.imbalance or self.imbalance_long
        return [key for key, name in (("day_ahead", self.day_ahead), ("imbalance", imbalance)) if name]

    @model_validator(mode="after")
    def _consistent(self) -> PriceSettings:
        if bool(self.imbalance_long) != bool(self.imbalance_short):
            raise ValueError("imbalance_long: has to be given together with imbalance_short")
        if self.imbalance and self.imbalance_long:
            raise ValueError("imbalance: give it alone, or imbalance_long and imbalance_short")
        return self


class GivenForecastSettings(Section):
    """A file of forecasts of the net load (consumption less generation) of an area."""

    area: Word = about("Area, or T for transmission without units.")
    file: str = file_path("CSV or Parquet file, relative to the scenario.")
    issued: str = text("Column with the time of issue.", "issued")
    valid: str = text("Column with the start of the time that is forecast.", "valid")
    value: str = text("Column with the net load: consumption less generation.", "net_load_mw")
    unit: Literal["kW", "MW"] = about("Unit of the values.", "MW")
    zone: str = text("Time zone of times without an offset from UTC.", "", least=0)
    scale: float = number("Factor on all values.", "p.u.", (-1e9, 1e9), 1.0)
