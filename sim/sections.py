"""The sections of a scenario: frozen, checked, unknown keys refused."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tandem_sim.markets.blocks import GATES
from tandem_sim.markets.choices import EnvelopeCheck, ReservePricing
from tandem_sim.markets.imbalance import Alpha, Rule

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
LatencyLaw = Literal["constant", "exponential", "lognormal"]
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
    pool_minimum_mw: NotNegative = 0.0  # of the TSO's market: a provider's bids of one direction in a system

    @model_validator(mode="after")
    def _floor_below_cap(self) -> ProductSettings:
        if self.price_floor_eur_per_mwh >= self.price_cap_eur_per_mwh:
            raise ValueError("price_floor_eur_per_mwh must lie below price_cap_eur_per_mwh")
        return self

    @property
    def admitted_eur_per_mwh(self) -> float:
        """The largest price in size that may be bid."""
        return max(abs(self.price_floor_eur_per_mwh), abs(self.price_cap_eur_per_mwh))


class GateSettings(Section):
    """Lead times before delivery, in minutes. No bid goes out before the day-ahead price is known."""

    limit_ahead: Annotated[Positive, Field(le=600)] = 70.0
    offer: Annotated[Positive, Field(le=600)] = 65.0
    dso_close: Positive = 60.0
    dso_clear: Positive = 55.0
    amend: Positive = 52.0
    forward: Positive = 50.0
    validate_: Positive = Field(default=45.0, alias="validate")
    tso_close: Positive = 25.0
    mol: Positive = 24.0
    mol_validate: Positive = 23.0
    tso_clear: Positive = 12.5
    correct: Positive = 7.5
    limit: Positive = 7.0
    trade: Positive = 6.6
    assess: Positive = 6.2
    report: Positive = 5.8
    replace_: Positive = Field(default=5.4, alias="replace")
    declare: Positive = 5.0

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
    distribution: LatencyLaw = "constant"
    spread_s: NotNegative = 0.0  # mean of what is added: exponential, or lognormal with a long tail
    loss: Share = 0.0


class DsoSettings(Section):
    """How DSOs model their grids, and what they keep free."""

    offset: Literal["ac", "linear"] = "ac"
    flow_margin: Annotated[Share, Field(le=0.9)] = 0.05
    voltage_margin_pu: Annotated[NotNegative, Field(le=0.05)] = 0.002
    envelope_check: EnvelopeCheck = "none"  # whether limits on bids must hold in the AC power flow too


class ReserveSettings(Section):
    """The automatic reserve inside the ISP (aFRR), on what the TSO's market left."""

    enabled: bool = False
    cycle_s: Annotated[Count, Field(le=60)] = 4
    full_activation_s: Positive = 300.0
    gain: NotNegative = 0.2  # MW per MW of area control error, at once
    integral_s: Positive = 100.0
    delay_s: Annotated[int, Field(ge=0, le=900, strict=True)] = 0  # from a decision to its set-point
    step_mw: NotNegative = 0.0  # in which the set-point of a BSP moves; 0: with its ramp
    noise_mw: NotNegative = 2.0  # of the imbalance inside the ISP, standard deviation (synthetic)
    monitor_s: Count = 60
    termination: bool = True  # DSOs may stop what hurts their grids
    pricing: ReservePricing = "pay-as-bid"  # as cleared by ISP: see `tandem_sim.markets.choices`
    setpoint_loss: Share = 0.0  # of set-points that reach no BSP in a cycle: it keeps to the last one


class ImbalanceSettings(Section):
    """How imbalance is priced."""

    rule: Rule = "single"
    alpha: Alpha = "none"


class StrategySettings(Section):
    """How some sellers bid: a strategy by name, or a class of one's own as ``module:Class``, and options."""

    aggregators: list[str] = Field(min_length=1)
    name: str
    options: dict[str, Any] = Field(default={})


class ValidationSettings(Section):
    """AC validation after activation."""

    solver: Literal["lightsim2grid", "pandapower"] = "lightsim2grid"
    audit_share: Share = 0.01  # of ISPs checked again with pandapower.runpp
