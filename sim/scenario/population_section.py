"""The section of a scenario on households and their devices; it becomes a `Population` of agents."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from tandem_sim.agents.devices.population import Population
from tandem_sim.sim.scenario.quantities import (
    Section,
    Span,
    Word,
    check_span,
    count,
    file_path,
    number,
    several,
    share,
    span,
)

_GIVEN = Population()
"""The defaults of the section."""


def costs(meaning: str, default: tuple[float, float]) -> Any:
    """A range of costs of devices."""
    return span(meaning, "EUR/MWh", (0.0, 2000.0), default, usual=(0.0, 500.0))


class PopulationSettings(Section):
    """Shares of households and ranges [low, high] of what they own; ranges are drawn uniformly.

    What a `table` of households gives is not drawn.
    """

    table: str | None = file_path(
        "Table with a row for each household (CSV or Parquet, none: all are drawn).", None
    )
    pv_share: float = share("Share of households with PV.", _GIVEN.pv_share)
    battery_share: float = share(
        "Share of households with a battery; only where there is PV.", _GIVEN.battery_share
    )
    ev_share: float = share("Share of households with an electric vehicle (EV).", _GIVEN.ev_share)
    heat_pump_share: float = share("Share of households with a heat pump.", _GIVEN.heat_pump_share)
    smart_share: float = share(
        "Share of EVs that charge evenly until departure; others charge at once.", _GIVEN.smart_share
    )
    consumption_kwh: float = number(
        "Median of annual consumption without EVs and heat pumps (lognormal).",
        "kWh/a",
        (1.0, 1e6),
        _GIVEN.consumption_kwh,
        usual=(500.0, 10_000.0),
    )
    consumption_sigma: float = number(
        "Standard deviation of its logarithm.", "", (0.0, 3.0), _GIVEN.consumption_sigma, usual=(0.0, 1.0)
    )
    consumption_range_kwh: Span = span(
        "Range to which annual consumption is clipped.",
        "kWh/a",
        (1.0, 1e6),
        _GIVEN.consumption_range_kwh,
        usual=(100.0, 50_000.0),
    )
    pv_kwp: Span = span("Peak power of PV.", "kW", (0.1, 100.0), _GIVEN.pv_kwp, usual=(1.0, 20.0))
    battery_kwh: Span = span(
        "Usable energy of a battery.", "kWh", (0.1, 1000.0), _GIVEN.battery_kwh, usual=(1.0, 30.0)
    )
    battery_kw: Span = span("Power of a battery.", "kW", (0.1, 100.0), _GIVEN.battery_kw, usual=(0.5, 20.0))
    battery_efficiency: Span = span(
        "Efficiency of a battery one way, charging and discharging alike.",
        "p.u.",
        (0.5, 1.0),
        _GIVEN.battery_efficiency,
        usual=(0.85, 1.0),
    )
    heat_pump_kw: Span = span(
        "Electrical power of a heat pump.", "kW", (0.1, 100.0), _GIVEN.heat_pump_kw, usual=(0.5, 15.0)
    )
    cop: Span = span(
        "Coefficient of performance of a heat pump.", "p.u.", (1.0, 10.0), _GIVEN.cop, usual=(2.0, 6.0)
    )
    heat_capacity_kwh_per_k: Span = span(
        "Thermal capacity of a building.",
        "kWh/K",
        (0.1, 1000.0),
        _GIVEN.heat_capacity_kwh_per_k,
        usual=(1.0, 50.0),
    )
    heat_loss_h: Span = span(
        "Thermal time constant of a building.", "h", (1.0, 10_000.0), _GIVEN.heat_loss_h, usual=(10.0, 500.0)
    )
    recovery_h: float = number(
        "Time constant of the thermostat's correction; at most heat_loss_h.",
        "h",
        (0.1, 10_000.0),
        _GIVEN.recovery_h,
        usual=(0.5, 24.0),
    )
    band_k: float = number(
        "Half the width of the comfort band.", "K", (0.01, 20.0), _GIVEN.band_k, usual=(0.1, 3.0)
    )
    parking_h: Span = span(
        "Time from arrival to departure of an EV.", "h", (0.0, 168.0), _GIVEN.parking_h, usual=(0.0, 24.0)
    )
    wear_eur_per_mwh: Span = costs("Wear of a battery.", _GIVEN.wear_eur_per_mwh)
    inconvenience_eur_per_mwh: Span = costs(
        "Inconvenience of shifted EV charging.", _GIVEN.inconvenience_eur_per_mwh
    )
    comfort_eur_per_mwh: Span = costs("Discomfort of shifted heating.", _GIVEN.comfort_eur_per_mwh)
    feed_in_eur_per_mwh: Span = costs("Feed-in tariff of PV.", _GIVEN.feed_in_eur_per_mwh)
    shift_weeks: int = count(
        "Largest shift of household and EV profiles by whole weeks, either way.",
        (0, 26),
        _GIVEN.shift_weeks,
        unit="week",
        usual=(0, 8),
    )
    jitter_h: float = number(
        "Largest shift of profiles by hours, either way.",
        "h",
        (0.0, 84.0),
        _GIVEN.jitter_h,
        usual=(0.0, 6.0),
    )
    sustain_isps: int = count(
        "ISPs in a row that an offer of a device with limited energy must sustain.",
        (1, 288),
        _GIVEN.sustain_isps,
        unit="ISP",
        usual=(1, 32),
    )
    three_phase_share: float = share(
        "Share of households connected on three phases.", _GIVEN.three_phase_share
    )
    load_profiles: list[Word] = several(
        "Profiles of inflexible load, of which a household draws one, scaled to its annual consumption; "
        "empty: H0 of SimBench.",
        1000,
        [],
    )
    pv_profiles: list[Word] = several(
        "Profiles of PV in p.u. of its peak power, of which a household draws one; empty: PV of SimBench.",
        1000,
        [],
    )

    @field_validator("*")
    @classmethod
    def _within(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, tuple) and info.field_name is not None:
            check_span(value, cls.model_fields[info.field_name])
        return value

    @model_validator(mode="after")
    def _consistent(self) -> PopulationSettings:
        self.drawn_in(None)
        return self

    @property
    def drawn_from(self) -> Population:
        """The population as agents take it."""
        names = [field.name for field in fields(Population) if field.name != "devices"]
        values: dict[str, Any] = {name: getattr(self, name) for name in names}
        values |= {name: tuple(values[name]) for name in ("load_profiles", "pv_profiles")}
        return Population(**values)

    def drawn_in(self, area: AreaPopulationSettings | None) -> Population:
        """The population of an area with settings of its own. Raises ValueError for what does not fit."""
        try:
            return replace(self.drawn_from, **({} if area is None else area.given))
        except ValueError as error:
            raise ValueError(str(error).removeprefix("Population: ").replace("; ", "; and also ")) from error


def _of_area(name: str) -> Any:
    """A field of `PopulationSettings` as an area may set it; None: as in all areas."""
    common = PopulationSettings.model_fields[name]
    low = next((limit.ge for limit in common.metadata if hasattr(limit, "ge")), None)
    high = next((limit.le for limit in common.metadata if hasattr(limit, "le")), None)
    number = {"ge": low, "le": high, "strict": True, "allow_inf_nan": False} if low is not None else {}
    about: dict[str, Any] = {"description": common.description, "json_schema_extra": common.json_schema_extra}
    return Field(default=None, **about, **number)


class AreaPopulationSettings(Section):
    """Shares and ranges of households that differ from those of `population` in one area."""

    pv_share: float | None = _of_area("pv_share")
    battery_share: float | None = _of_area("battery_share")
    ev_share: float | None = _of_area("ev_share")
    heat_pump_share: float | None = _of_area("heat_pump_share")
    smart_share: float | None = _of_area("smart_share")
    consumption_kwh: float | None = _of_area("consumption_kwh")
    consumption_sigma: float | None = _of_area("consumption_sigma")
    consumption_range_kwh: Span | None = _of_area("consumption_range_kwh")
    pv_kwp: Span | None = _of_area("pv_kwp")
    battery_kwh: Span | None = _of_area("battery_kwh")
    battery_kw: Span | None = _of_area("battery_kw")
    battery_efficiency: Span | None = _of_area("battery_efficiency")
    heat_pump_kw: Span | None = _of_area("heat_pump_kw")
    cop: Span | None = _of_area("cop")
    heat_capacity_kwh_per_k: Span | None = _of_area("heat_capacity_kwh_per_k")
    heat_loss_h: Span | None = _of_area("heat_loss_h")
    parking_h: Span | None = _of_area("parking_h")
    wear_eur_per_mwh: Span | None = _of_area("wear_eur_per_mwh")
    inconvenience_eur_per_mwh: Span | None = _of_area("inconvenience_eur_per_mwh")
    comfort_eur_per_mwh: Span | None = _of_area("comfort_eur_per_mwh")
    feed_in_eur_per_mwh: Span | None = _of_area("feed_in_eur_per_mwh")
    three_phase_share: float | None = _of_area("three_phase_share")

    @field_validator("*")
    @classmethod
    def _within(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, tuple) and info.field_name is not None:
            check_span(value, cls.model_fields[info.field_name])
        return value

    @property
    def given(self) -> dict[str, Any]:
        """The fields that the area sets, with their values."""
        return {key: value for key, value in self.model_dump().items() if value is not None}
