"""Columns of a table of households: meaning, unit and what a cell may be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from tandem_sim.agents.devices.device import DeviceClass
from tandem_sim.grids.io.profiles import EV_HOME, HEAT_PUMP, HOUSEHOLD, PV
from tandem_sim.sim.scenario.population_section import DECLARED, PopulationSettings
from tandem_sim.sim.scenario.quantities import extras

Kind = Literal["text", "number", "choice"]
LONGEST_NAME = 200
EV_KW = (1.0, 50.0)
"""Power of home chargers that is accepted, kW."""


class Attribute(NamedTuple):
    """A column. Choices are numbered from 0.

    `device`: the column with the size of the device that it describes. `sizes`: the column is such a size,
    where 0 means that the household has none. `usual`: values outside of it are told as unusual.
    """

    name: str
    meaning: str
    kind: Kind = "number"
    unit: str = ""
    limits: tuple[float, float] = (0.0, 0.0)
    choices: tuple[str, ...] = ()
    device: str = ""
    sizes: bool = False
    usual: tuple[float, float] | None = None


def _drawn(name: str, meaning: str, device: str = "", sizes: bool = False, like: str = "") -> Attribute:
    """A number with the unit and the ranges that the field `like` of `population` has."""
    about = extras(PopulationSettings.model_fields[like or name])
    limits = (float(about["minimum"]), float(about["maximum"]))
    low, high = about["usual"]
    usual = float(low), float(high)
    return Attribute(name, meaning, "number", about["unit"], limits, (), device, sizes, usual)


def _profile(name: str, meaning: str, names: tuple[str, ...], device: str = "") -> Attribute:
    return Attribute(name, meaning, "choice", "", (0.0, 0.0), names, device)


def _declared(known: DeviceClass) -> Iterator[Attribute]:
    """Columns of a class of `population.devices`; the first is its size, which decides who has one."""
    size = f"{known.name}_{known.parameters[0].name}"
    for p in known.parameters:
        name = f"{known.name}_{p.name}"
        first = name == size
        yield Attribute(
            name=name,
            meaning=p.meaning,
            unit=p.unit,
            limits=p.limits,
            device="" if first else size,
            sizes=first,
            usual=p.usual,
        )


ATTRIBUTES = (
    Attribute("household", "Name, unique in the table; it orders the households of a bus.", "text"),
    Attribute("area", "Area (`id`); may be left out where there is one.", "text"),
    Attribute("bus", "Bus of the area's grid, in service.", "text"),
    Attribute("aggregator", "Aggregator, as `A01` or as its number.", "text"),
    Attribute("phases", "Phases of the connection.", "choice", choices=("1", "3")),
    Attribute("lv_feeder", "LV feeder on which it is connected.", "text"),
    Attribute("lv_user", "User of that feeder whose place it takes.", "text"),
    Attribute("contract", "Connection agreement, on an LV feeder.", "choice", choices=("firm", "non-firm")),
    _drawn("annual_kwh", "Consumption without EV and heat pump.", sizes=True, like="consumption_range_kwh"),
    _profile("load_profile", "Profile of that consumption.", HOUSEHOLD),
    _drawn("pv_kwp", "Peak power of PV.", sizes=True),
    _profile("pv_profile", "Profile of PV.", PV, "pv_kwp"),
    _drawn("feed_in_eur_per_mwh", "Feed-in tariff of PV.", "pv_kwp"),
    _drawn("battery_kwh", "Usable energy of the battery.", sizes=True),
    _drawn("battery_kw", "Power of the battery, either way.", "battery_kwh"),
    _drawn("charge_efficiency", "Efficiency of charging.", "battery_kwh", like="battery_efficiency"),
    _drawn("discharge_efficiency", "Efficiency of discharging.", "battery_kwh", like="battery_efficiency"),
    _drawn("wear_eur_per_mwh", "Wear of the battery.", "battery_kwh"),
    Attribute("ev_kw", "Power of the EV's charger at home.", "number", "kW", EV_KW, sizes=True),
    _profile("ev_profile", "Profile from which sessions of the EV are taken.", EV_HOME, "ev_kw"),
    Attribute(
        "ev_smart",
        "Whether the EV charges evenly until departure.",
        "choice",
        choices=("false", "true"),
        device="ev_kw",
    ),
    _drawn("parking_h", "Time from arrival to departure of the EV.", "ev_kw"),
    _drawn("inconvenience_eur_per_mwh", "Inconvenience of shifted EV charging.", "ev_kw"),
    _drawn("heat_pump_kw", "Electrical power of the heat pump.", sizes=True),
    _profile("heat_pump_profile", "Profile of the heat pump.", HEAT_PUMP, "heat_pump_kw"),
    _drawn("cop", "Coefficient of performance.", "heat_pump_kw"),
    _drawn("heat_capacity_kwh_per_k", "Thermal capacity of the building.", "heat_pump_kw"),
    _drawn("heat_loss_h", "Thermal time constant of the building.", "heat_pump_kw"),
    _drawn("comfort_eur_per_mwh", "Discomfort of shifted heating.", "heat_pump_kw"),
    *(attribute for known in DECLARED for attribute in _declared(known)),
)
"""All columns, in the order of the documentation."""


def attributes(population: PopulationSettings) -> tuple[Attribute, ...]:
    """All columns; profiles of load and PV are those of `population`."""
    own = {"load_profile": population.drawn_from.loads, "pv_profile": population.drawn_from.pvs}
    return tuple(about._replace(choices=own.get(about.name, about.choices)) for about in ATTRIBUTES)


NAMES = tuple(attribute.name for attribute in ATTRIBUTES)
