"""The section of a scenario on households and their devices; it becomes a `Population` of agents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationInfo, create_model, field_validator, model_validator

from tandem_sim.agents.devices.classes.registry import CLASSES
from tandem_sim.agents.devices.device import DeviceClass
from tandem_sim.agents.devices.population import DeviceSettings, Population
from tandem_sim.sim.scenario.quantities import (
    Section,
    Span,
    Word,
    about,
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


class DeviceSection(Section):
    """Share of owners and ranges of one class of device; ranges are drawn uniformly."""

    share: float

    @field_validator("*")
    @classmethod
    def _within(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, tuple) and info.field_name is not None:
            check_span(value, cls.model_fields[info.field_name])
        return value


class AreaDeviceSection(DeviceSection):
    """The same as an area may set it; None: as in all areas."""

    share: float | None  # type: ignore[assignment]


def _device_fields(known: DeviceClass) -> dict[str, Any]:
    """Fields of the section of a class: type and field by name."""
    ranges = {
        p.name: (Span, span(p.meaning, p.unit, p.limits, p.default, usual=p.usual)) for p in known.parameters
    }
    return {"share": (float, share(known.share, 0.0)), **ranges}


def _named(known: DeviceClass, above: str) -> str:
    """Name of the type of a section, such as WaterHeaterSettings."""
    return f"{above}{''.join(word.capitalize() for word in known.name.split('_'))}Settings"


def _registered(types: Iterable[type[Section]]) -> None:
    """Make types that were created attributes of this module, so that scenarios can be pickled."""
    globals().update({of.__name__: of for of in types})


DECLARED = tuple(known for known in CLASSES if known.share)
"""Classes of device whose parameters stand in `population.devices`."""


def _listed(name: str, meaning: str, sections: Mapping[str, type[Section]]) -> Any:
    """A section with one of `sections` for each of these classes."""
    parts: dict[str, Any] = {
        known.name: (sections[known.name], about(f"{known.title}.", sections[known.name]()))
        for known in DECLARED
    }
    return create_model(name, __base__=Section, __module__=__name__, __doc__=meaning, **parts)


_SECTIONS: dict[str, type[DeviceSection]] = {
    known.name: create_model(
        _named(known, ""),
        __base__=DeviceSection,
        __module__=__name__,
        __doc__=f"Shares and sizes of {known.title}.",
        **_device_fields(known),
    )
    for known in DECLARED
}
_registered(_SECTIONS.values())
if TYPE_CHECKING:
    DeviceSections = Section
else:
    DeviceSections = _listed("DeviceSections", "Further classes of device; none by default.", _SECTIONS)


def device_settings(sections: Section, area: Section | None) -> tuple[DeviceSettings, ...]:
    """Shares and ranges of all declared classes, those that an area sets in the place of the common ones."""
    found = []
    for known in DECLARED:
        values = dict(getattr(sections, known.name))
        own = None if area is None else getattr(area, known.name)
        if own is not None:
            values |= {key: value for key, value in dict(own).items() if value is not None}
        found.append(known.settings(**values))
    return tuple(found)


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
    devices: DeviceSections = about("Further classes of device, none by default.", DeviceSections())

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
        return Population(**values, devices=device_settings(self.devices, None))

    def drawn_in(self, area: AreaPopulationSettings | None) -> Population:
        """The population of an area with settings of its own. Raises ValueError for what does not fit."""
        try:
            if area is None:
                return self.drawn_from
            devices = device_settings(self.devices, area.devices)
            return replace(self.drawn_from, devices=devices, **area.given)
        except ValueError as error:
            raise ValueError(str(error).removeprefix("Population: ").replace("; ", "; and also ")) from error


def _of_area(name: str, of: type[Section] = PopulationSettings) -> Any:
    """A field of the common settings as an area may set it; None: as in all areas."""
    common = of.model_fields[name]
    low = next((limit.ge for limit in common.metadata if hasattr(limit, "ge")), None)
    high = next((limit.le for limit in common.metadata if hasattr(limit, "le")), None)
    number = {"ge": low, "le": high, "strict": True, "allow_inf_nan": False} if low is not None else {}
    about: dict[str, Any] = {"description": common.description, "json_schema_extra": common.json_schema_extra}
    return Field(default=None, **about, **number)


def _area_fields(known: DeviceClass) -> dict[str, Any]:
    """Fields of the section of a class in an area."""
    common = _device_fields(known)
    return {name: (kind | None, _of_area(name, _SECTIONS[known.name])) for name, (kind, _) in common.items()}


_AREA_SECTIONS: dict[str, type[Section]] = {
    known.name: create_model(
        _named(known, "Area"),
        __base__=AreaDeviceSection,
        __module__=__name__,
        __doc__=f"Shares and sizes of {known.title} that differ from those of `population` in one area.",
        **_area_fields(known),
    )
    for known in DECLARED
}
_registered(_AREA_SECTIONS.values())
if TYPE_CHECKING:
    AreaDeviceSections = Section
else:
    AreaDeviceSections = _listed(
        "AreaDeviceSections", "Further classes of device in one area.", _AREA_SECTIONS
    )


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
    devices: AreaDeviceSections = about("Further classes of device.", AreaDeviceSections())

    @field_validator("*")
    @classmethod
    def _within(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, tuple) and info.field_name is not None:
            check_span(value, cls.model_fields[info.field_name])
        return value

    @property
    def given(self) -> dict[str, Any]:
        """The fields that the area sets, with their values, besides `devices`."""
        return {
            key: value for key, value in self.model_dump(exclude={"devices"}).items() if value is not None
        }
