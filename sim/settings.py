"""A scenario: everything a run is a function of. Unknown keys and values out of range are errors."""

from __future__ import annotations

import math
import re
from dataclasses import fields
from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from agents.population import Population
from agents.strategies import STRATEGIES
from markets.aggregation import DEFAULT_STEP_MW, Kind
from markets.blocks import GATES
from markets.merit_order import MAX_ROUNDS
from markets.prequalification import Method
from markets.pricing import Pricing
from markets.schemes import SCHEMES, Options

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, strict=True)]
BusIndex = Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]

_RESERVED = re.compile(r"TSO|T|households|A\d+|DSO-.*|BRP-.*")


def _not_reserved(name: str) -> str:
    if _RESERVED.fullmatch(name):
        raise ValueError("is a name Tandem gives itself (TSO, T, households, A1.., DSO-.., BRP-..)")
    return name


Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$"), AfterValidator(_not_reserved)]
"""Name of a unit, a large load or an area: those of agents and messages are made from it."""


class Section(BaseModel):
    """Base of every section: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class UnitSettings(Section):
    """A conventional unit on transmission: cost ``c1 p + c2 p**2`` EUR/h."""

    name: Name
    bus: BusIndex
    p_min_mw: NotNegative = 0.0
    p_max_mw: Positive
    ramp_mw_per_isp: Positive
    c1: Finite
    c2: NotNegative = 0.0
    adder: NotNegative = 0.0  # EUR/MWh on top of (below) marginal cost for going up (down)

    @model_validator(mode="after")
    def _range(self) -> UnitSettings:
        if self.p_min_mw > self.p_max_mw:
            raise ValueError(f"p_min_mw {self.p_min_mw:g} exceeds p_max_mw {self.p_max_mw:g}")
        return self


class LargeLoadSettings(Section):
    """A large load on transmission that sells part of its consumption."""

    name: Name
    bus: BusIndex
    up_mw: NotNegative
    up_price: Finite
    down_mw: NotNegative
    down_price: Finite


class GridSettings(Section):
    """A grid by name, and ratings that its data lack or the study changes (branch label -> MVA)."""

    grid: str
    ratings_mva: dict[str, Positive] = {}
    load_scale: NotNegative = 1.0


class TransmissionSettings(GridSettings):
    """The transmission grid, its load and its units."""

    load_profile: list[str] = Field(min_length=1)
    units: list[UnitSettings] = Field(min_length=1)
    large_loads: list[LargeLoadSettings] = []


class DistributionSettings(GridSettings):
    """A distribution grid: one DSO."""

    id: Name
    interface_bus: BusIndex
    other_profile: list[str] = Field(min_length=1)
    other_share: Share = 0.3  # of nominal load that is not households


class ForecastSettings(Section):
    """Quality of forecasts: day-ahead mean absolute error, as a share of an area's nominal load."""

    mape: Share = 0.03
    persistence: Share = 0.97  # AR(1) coefficient from one ISP to the next


class ProductSettings(Section):
    """The traded product."""

    min_quantity_mw: NotNegative = 0.001
    tick_mw: NotNegative = 0.0001
    price_floor_eur_per_mwh: Finite = -9999.0
    price_cap_eur_per_mwh: Finite = 9999.0

    @model_validator(mode="after")
    def _floor_below_cap(self) -> ProductSettings:
        if self.price_floor_eur_per_mwh >= self.price_cap_eur_per_mwh:
            raise ValueError("price_floor_eur_per_mwh must lie below price_cap_eur_per_mwh")
        return self


class GateSettings(Section):
    """Lead times before delivery, in minutes. No bid goes out before the day-ahead price is known."""

    offer: Annotated[Positive, Field(le=600)] = 65.0
    dso_close: Positive = 60.0
    dso_clear: Positive = 55.0
    forward: Positive = 50.0
    validate_: Positive = Field(default=45.0, alias="validate")
    tso_close: Positive = 25.0
    mol: Positive = 24.0
    mol_validate: Positive = 23.0
    tso_clear: Positive = 12.5
    correct: Positive = 7.5

    @model_validator(mode="after")
    def _in_order(self) -> GateSettings:
        leads = list(self.minutes().values())
        if any(a <= b for a, b in pairwise(leads)):
            raise ValueError(f"gates must follow one another: {', '.join(self.minutes())}")
        return self

    def minutes(self) -> dict[str, float]:
        """Lead times by gate name, in the order of the gates."""
        values = self.model_dump(by_alias=True)
        return {name: values[name] for name in GATES if name in values}

    def rounds_s(self, rounds: int) -> dict[str, list[int]]:
        """Seconds before delivery of every gate, by name; those of a merit order list once per round."""
        leads = {name: [round(60 * lead)] for name, lead in self.minutes().items()}
        step = 60 * (self.mol - self.tso_clear) / rounds
        for name in ("mol", "mol_validate"):
            leads[name] = [round(leads[name][0] - k * step) for k in range(rounds)]
        return leads


class LinkSettings(Section):
    """How messages travel."""

    latency_s: int = Field(default=1, ge=0, le=900, strict=True)  # and less than an ISP: see Scenario
    loss: Share = 0.0


class DsoSettings(Section):
    """How DSOs model their grids, and what they keep free."""

    offset: Literal["ac", "linear"] = "ac"
    flow_margin: Annotated[Share, Field(le=0.9)] = 0.05
    voltage_margin_pu: Annotated[NotNegative, Field(le=0.05)] = 0.002


class ValidationSettings(Section):
    """AC validation after activation."""

    solver: Literal["lightsim2grid", "pandapower"] = "lightsim2grid"
    audit_share: Share = 0.01  # of ISPs checked again with pandapower.runpp


class Scenario(Section):
    """Everything a run is a function of."""

    name: str
    description: str = ""
    start: Annotated[date, Field(ge=date(1900, 1, 1), le=date(2200, 1, 1))]
    days: Annotated[Count, Field(le=366)]
    zone: str = "Europe/Brussels"
    isp_minutes: Literal[5, 15, 30, 60] = 15
    seed: int = Field(default=1, ge=0, strict=True)
    scheme: str = "multilevel-03"
    prequalification: Method = "envelope"
    aggregation: Kind = "exact"
    aggregation_step_mw: Positive = DEFAULT_STEP_MW
    pricing: Pricing = "pay-as-bid"
    boundary_tolerance_mw: NotNegative = 0.0
    mol_rounds: Annotated[Count, Field(le=60)] = MAX_ROUNDS
    willingness_spread: NotNegative = 50.0
    strategy: str = "truthful"
    transmission: TransmissionSettings
    distribution: list[DistributionSettings] = Field(min_length=1)
    households: Count
    aggregators: Count
    aggregators_per_bus: Count = 2
    population: dict[str, Any] = {}
    forecast: ForecastSettings = ForecastSettings()
    product: ProductSettings = ProductSettings()
    gates: GateSettings = GateSettings()
    messages: LinkSettings = LinkSettings()
    dso: DsoSettings = DsoSettings()
    validation: ValidationSettings = ValidationSettings()

    @property
    def scheme_options(self) -> Options:
        """What the scheme leaves open, as this scenario has it."""
        return Options(
            self.prequalification,
            self.aggregation,
            self.aggregation_step_mw,
            self.pricing,
            self.boundary_tolerance_mw,
            self.mol_rounds,
        )

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones() or not ("/" in value or value == "UTC"):
            raise ValueError(f"{value} is no time zone of the IANA list, such as Europe/Brussels")
        return value

    @field_validator("scheme")
    @classmethod
    def _known_scheme(cls, value: str) -> str:
        return _known(value, SCHEMES, "scheme")

    @field_validator("strategy")
    @classmethod
    def _known_strategy(cls, value: str) -> str:
        return _known(value, STRATEGIES, "strategy")

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        problems = _repeated_names(self) + _population_problems(self.population)
        if self.aggregators_per_bus > self.aggregators:
            problems.append("aggregators_per_bus: must not exceed aggregators")
        gates = self.gates
        if gates.mol - gates.mol_validate >= (gates.mol - gates.tso_clear) / self.mol_rounds:
            problems.append(
                f"mol_rounds: {self.mol_rounds} rounds of list and validation do not fit before tso_clear"
            )
        isp_s = 60 * self.isp_minutes
        if self.messages.latency_s >= isp_s:
            problems.append(f"messages.latency_s: must be less than the {isp_s} s of an ISP")
        if problems:
            raise ValueError("; and also ".join(problems))
        return self


def _repeated_names(scenario: Scenario) -> list[str]:
    t = scenario.transmission
    given = {f"transmission.units.{k}.name": u.name for k, u in enumerate(t.units)}
    given |= {f"transmission.large_loads.{k}.name": x.name for k, x in enumerate(t.large_loads)}
    given |= {f"distribution.{k}.id": d.id for k, d in enumerate(scenario.distribution)}
    first: dict[str, str] = {}
    for place, name in given.items():
        first.setdefault(name, place)
    return [
        f"{place}: {name} is used twice (first by {first[name]}), and every name makes an agent"
        for place, name in given.items()
        if first[name] != place
    ]


def _population_problems(given: dict[str, Any]) -> list[str]:
    """What is wrong with a population section, each as "field: problem"."""
    kinds = {field.name: field.type for field in fields(Population)}
    problems = []
    for key, value in given.items():
        if key not in kinds:
            problems.append(f"population.{key}: is an unknown key")
        elif kinds[key] is int and type(value) is not int:
            problems.append(f"population.{key}: is {value!r}, not a whole number")
        elif kinds[key] is float and not _is_number(value):
            problems.append(f"population.{key}: is {value!r}, not a finite number")
        elif kinds[key] not in (int, float) and not _is_range(value):
            problems.append(f"population.{key}: is {value!r}, not a range [low, high] of finite numbers")
    if problems:
        return problems
    whole: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in given.items()}
    try:
        Population(**whole)
    except ValueError as error:
        found = str(error).removeprefix("Population: ").split("; ")
        return [f"population.{problem.replace(' ', ': ', 1)}" for problem in found]
    return []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_range(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_number, value))


def _known(value: str, table: dict[str, Any], what: str) -> str:
    if value not in table:
        raise ValueError(f"{value} is no {what}; known are {', '.join(table)}")
    return value
