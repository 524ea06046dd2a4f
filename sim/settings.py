"""A scenario: everything a run is a function of. Unknown keys and values out of range are errors."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agents.strategies import STRATEGIES
from markets.aggregation import DEFAULT_STEP_MW, Kind
from markets.prequalification import Method
from markets.schemes import SCHEMES

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """Base of every section: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class UnitSettings(Section):
    """A conventional unit on transmission: cost ``c1 p + c2 p**2`` EUR/h."""

    name: str
    bus: int
    p_min_mw: NotNegative = 0.0
    p_max_mw: Positive
    ramp_mw_per_isp: Positive
    c1: Finite
    c2: NotNegative = 0.0
    adder: NotNegative = 0.0  # EUR/MWh on top of (below) marginal cost for going up (down)


class LargeLoadSettings(Section):
    """A large load on transmission that sells part of its consumption."""

    name: str
    bus: int
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

    id: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")
    interface_bus: int
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


class GateSettings(Section):
    """Lead times before delivery, in minutes."""

    offer: Positive = 65.0
    dso_close: Positive = 60.0
    dso_clear: Positive = 55.0
    forward: Positive = 50.0
    validate_: Positive = Field(default=45.0, alias="validate")
    tso_close: Positive = 25.0
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
        return {
            name: values[name]
            for name in (
                "offer",
                "dso_close",
                "dso_clear",
                "forward",
                "validate",
                "tso_close",
                "tso_clear",
                "correct",
            )
        }


class LinkSettings(Section):
    """How messages travel."""

    latency_s: int = Field(default=1, ge=0, le=1800)  # half of the time day-ahead clearing takes
    loss: Share = 0.0


class DsoSettings(Section):
    """How DSOs model their grids, and what they keep free."""

    offset: Literal["ac", "linear"] = "ac"
    flow_margin: Share = 0.05
    voltage_margin_pu: NotNegative = 0.002


class ValidationSettings(Section):
    """AC validation after activation."""

    solver: Literal["lightsim2grid", "pandapower"] = "lightsim2grid"
    audit_share: Share = 0.01  # of ISPs checked again with pandapower.runpp


class Scenario(Section):
    """Everything a run is a function of."""

    name: str
    description: str = ""
    start: date
    days: int = Field(ge=1, le=366)
    zone: str = "Europe/Brussels"
    isp_minutes: Literal[5, 15, 30, 60] = 15
    seed: int = Field(default=1, ge=0)
    scheme: str = "multilevel-03"
    prequalification: Method = "envelope"
    aggregation: Kind = "exact"
    aggregation_step_mw: Positive = DEFAULT_STEP_MW
    strategy: str = "truthful"
    transmission: TransmissionSettings
    distribution: list[DistributionSettings] = Field(min_length=1)
    households: int = Field(ge=1)
    aggregators: int = Field(ge=1)
    aggregators_per_bus: int = Field(default=2, ge=1)
    population: dict[str, Any] = {}
    forecast: ForecastSettings = ForecastSettings()
    product: ProductSettings = ProductSettings()
    gates: GateSettings = GateSettings()
    messages: LinkSettings = LinkSettings()
    dso: DsoSettings = DsoSettings()
    validation: ValidationSettings = ValidationSettings()

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
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
    def _unique_ids(self) -> Scenario:
        ids = [d.id for d in self.distribution]
        if len(set(ids)) < len(ids) or "T" in ids:
            raise ValueError("distribution ids must differ, and T is the transmission system")
        if self.aggregators_per_bus > self.aggregators:
            raise ValueError("aggregators_per_bus cannot exceed aggregators")
        return self


def _known(value: str, table: dict[str, Any], what: str) -> str:
    if value not in table:
        raise ValueError(f"{value} is no {what}; known are {', '.join(table)}")
    return value
