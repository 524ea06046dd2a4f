"""The sections of a scenario: frozen, checked, unknown keys refused. Fields are made in ``quantities``."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tandem_sim.markets.choices import EnvelopeCheck, ReservePricing
from tandem_sim.markets.coordination.gates import GATES
from tandem_sim.markets.settlement.imbalance import Alpha, Rule
from tandem_sim.sim.scenario.quantities import (
    MOST_ENTRIES,
    MOST_MW,
    BusIndex,
    Word,
    about,
    cost,
    count,
    flag,
    number,
    price,
    several,
    share,
    text,
)

LatencyLaw = Literal["constant", "exponential", "lognormal"]

_RESERVED = re.compile(r"TSO|T|households|A\d+|DSO-.*|BRP-.*")


def _not_reserved(name: str) -> str:
    if _RESERVED.fullmatch(name):
        raise ValueError("is a name Tandem gives itself (TSO, T, households, A1.., DSO-.., BRP-..)")
    return name


def _zero_or_step(value: float) -> float:
    if 0.0 < value < LEAST_STEP_MW:
        raise ValueError(f"must be 0 or at least {LEAST_STEP_MW:g}")
    return value


LEAST_STEP_MW = 1e-6
"""Steps below what markets can tell apart would turn rounding errors into refusals."""
Name = Annotated[
    str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=60, strict=True), AfterValidator(_not_reserved)
]
"""Name of a unit, a large load or an area: those of agents and messages are made from it."""
Rating = Annotated[float, Field(ge=0.001, le=MOST_MW, strict=True, allow_inf_nan=False)]
Step = Annotated[float, AfterValidator(_zero_or_step)]
"""What quantities are multiples of: 0 for none."""


class Section(BaseModel):
    """Base of every section: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class UnitSettings(Section):
    """A conventional unit on transmission: cost ``c1 p + c2 p**2`` EUR/h."""

    name: Name = about("Name of the unit, which is its agent's name too.")
    bus: BusIndex = about("Bus of the transmission grid (pandapower index) it feeds into.")
    p_min_mw: float = number("Least power while it runs.", "MW", (0.0, MOST_MW), 0.0, usual=(0.0, 1000.0))
    p_max_mw: float = number("Most power it can inject.", "MW", (0.001, MOST_MW), usual=(1.0, 2000.0))
    ramp_mw_per_isp: float = number(
        "Most change of power from one ISP to the next.", "MW/ISP", (0.001, MOST_MW), usual=(0.1, 1000.0)
    )
    c1: float = price("Linear part of its marginal cost.")
    c2: float = number(
        "Half of what marginal cost rises by per MW: cost is c1 p + c2 p^2.",
        "EUR/MW2h",
        (0.0, 1000.0),
        0.0,
        usual=(0.0, 10.0),
    )
    adder: float = cost(
        "What it asks above marginal cost for going up, and below it for going down.", 0.0, usual=(0.0, 500.0)
    )

    @model_validator(mode="after")
    def _range(self) -> UnitSettings:
        if self.p_min_mw > self.p_max_mw:
            raise ValueError(f"p_min_mw {self.p_min_mw:g} exceeds p_max_mw {self.p_max_mw:g}")
        return self


class LargeLoadSettings(Section):
    """A large load on transmission that sells part of its consumption."""

    name: Name = about("Name of the large load, which is its agent's name too.")
    bus: BusIndex = about("Bus of the transmission grid (pandapower index) it consumes at.")
    up_mw: float = number("Consumption it can stop.", "MW", (0.0, MOST_MW), usual=(0.0, 500.0))
    up_price: float = price("What it asks for consuming less.")
    down_mw: float = number("Consumption it can add.", "MW", (0.0, MOST_MW), usual=(0.0, 500.0))
    down_price: float = price("What it pays for the energy when it consumes more.")


class GridSettings(Section):
    """A grid by name, and ratings that its data lack or the study changes."""

    grid: str = text("Grid: a file, a SimBench code, case69, case141 or a pandapower network.", most=4000)
    ratings_mva: dict[Word, Rating] = several(
        "Ratings by branch (line 4, trafo 0), where the data have none or the study changes them.",
        100_000,
        {},
        unit="MVA",
    )
    load_scale: float = number(
        "Factor on the nominal load of the grid's data.", "p.u.", (0.0, 100.0), 1.0, usual=(0.05, 5.0)
    )


class TransmissionSettings(GridSettings):
    """The transmission grid, its load and its units."""

    load_profile: list[Word] = several(
        "Measured profiles: their mean, 1 at its peak of the year, multiplies nominal load.", 100, least=1
    )
    units: list[UnitSettings] = several("Conventional units.", MOST_ENTRIES, least=1)
    large_loads: list[LargeLoadSettings] = several("Large loads that sell flexibility.", MOST_ENTRIES, [])


class DistributionSettings(GridSettings):
    """A distribution grid: one DSO."""

    id: Name = about("Name of the area; its DSO bears it behind DSO-.")
    interface_bus: BusIndex = about("Bus of the transmission grid that the area hangs on.")
    other_profile: list[Word] = several("Measured profiles of load besides households.", 100, least=1)
    other_share: float = share("Share of nominal load that is not households.", 0.3)


class ForecastSettings(Section):
    """Quality of forecasts: errors are shares of an area's nominal load."""

    mape: float = share(
        "Day-ahead mean absolute error, as a share of an area's nominal load.", 0.03, usual=(0.0, 0.2)
    )
    persistence: float = share(
        "Correlation of forecast errors of one ISP and the next (AR(1) coefficient).",
        0.97,
        usual=(0.5, 0.999),
    )


class ProductSettings(Section):
    """The traded product."""

    min_quantity_mw: float = number("Smallest bid.", "MW", (0.0, 1000.0), 0.001, usual=(0.0, 10.0))
    tick_mw: Step = number(
        "What quantities are multiples of (0: any).", "MW", (0.0, 100.0), 0.0001, usual=(0.0, 1.0)
    )
    price_floor_eur_per_mwh: float = price("Lowest price that may be bid.", -9999.0, usual=(-15_000.0, 0.0))
    price_cap_eur_per_mwh: float = price("Highest price that may be bid.", 9999.0, usual=(100.0, 15_000.0))
    pool_minimum_mw: float = number(
        "What the TSO's market takes from a provider at least: its bids of one direction in a system.",
        "MW",
        (0.0, 1000.0),
        0.0,
        usual=(0.0, 10.0),
    )

    @model_validator(mode="after")
    def _floor_below_cap(self) -> ProductSettings:
        if self.price_floor_eur_per_mwh >= self.price_cap_eur_per_mwh:
            raise ValueError("price_floor_eur_per_mwh must lie below price_cap_eur_per_mwh")
        return self

    @property
    def admitted_eur_per_mwh(self) -> float:
        """The largest price in size that may be bid."""
        return max(abs(self.price_floor_eur_per_mwh), abs(self.price_cap_eur_per_mwh))


def lead(meaning: str, default: float, **more: Any) -> Any:
    """A lead time of a gate before delivery, in minutes."""
    return number(meaning, "min", (0.1, 600.0), default, usual=(1.0, 240.0), **more)


class GateSettings(Section):
    """Lead times before delivery. No bid goes out before the day-ahead price is known."""

    limit_ahead: float = lead("DSOs limit non-firm connections ahead of bids (role prequalification).", 70.0)
    offer: float = lead("Sellers send their bids.", 65.0)
    dso_close: float = lead("Books of the DSOs' markets close.", 60.0)
    dso_clear: float = lead("The DSOs' markets clear.", 55.0)
    amend: float = lead("Sellers amend what the local market left them.", 52.0)
    forward: float = lead("DSOs forward bids to the TSO.", 50.0)
    prequalify: float = lead("DSOs limit bids to what their grids can carry.", 45.0)
    tso_close: float = lead("The TSO's book closes.", 25.0)
    mol: float = lead("The TSO sends its merit order list (hybrid).", 24.0)
    mol_validate: float = lead("DSOs validate the merit order list (hybrid).", 23.0)
    tso_clear: float = lead("The TSO's market clears.", 12.5)
    correct: float = lead("Corrective markets and post-qualification.", 7.5)
    limit: float = lead("DSOs limit non-firm connections (role correction).", 7.0)
    trade: float = lead("Users trade what limits leave them.", 6.6)
    assess: float = lead("Aggregators work out what limits take of what they have sold.", 6.2)
    report: float = lead("Aggregators report energy that they cannot deliver.", 5.8)
    substitute: float = lead("What is reported missing is bought elsewhere.", 5.4)
    declare: float = lead("Aggregators declare baselines.", 5.0)

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

    latency_s: int = count(
        "Least time a message takes; less than an ISP.", (0, 900), 1, unit="s", usual=(0, 60)
    )
    distribution: LatencyLaw = about("Law of the random time that is added.", "constant")
    spread_s: float = number(
        "Mean of the random time that is added.", "s", (0.0, 3600.0), 0.0, usual=(0.0, 120.0)
    )
    loss: float = share("Share of messages that get lost.", 0.0, most=0.9, usual=(0.0, 0.1))


class DsoSettings(Section):
    """How DSOs model their grids, and what they keep free."""

    offset: Literal["ac", "linear"] = about(
        "Base state of DSOs' linear models: AC power flow, or linear.", "ac"
    )
    flow_margin: float = share("Share of each rating that DSOs keep free.", 0.05, most=0.9, usual=(0.0, 0.2))
    voltage_margin_pu: float = number(
        "What DSOs keep free of each voltage limit.", "p.u.", (0.0, 0.05), 0.002, usual=(0.0, 0.02)
    )
    envelope_check: EnvelopeCheck = about(
        "Whether limits on bids must hold in the AC power flow too (any prequalification but static).", "none"
    )


class ReserveSettings(Section):
    """The automatic reserve inside the ISP (aFRR), on what the TSO's market left."""

    enabled: bool = flag("Whether there is an automatic reserve.", False)
    cycle_s: int = count("Time between two set-points; divides the ISP.", (1, 60), 4, unit="s", usual=(1, 10))
    full_activation_s: float = number(
        "Time in which a bid goes from 0 to full power.", "s", (1.0, 3600.0), 300.0, usual=(30.0, 900.0)
    )
    gain: float = number(
        "Proportional part of the controller: MW called at once per MW of area control error.",
        "MW/MW",
        (0.0, 10.0),
        0.2,
        usual=(0.0, 1.0),
    )
    integral_s: float = number(
        "Integral time of the controller.", "s", (1.0, 36_000.0), 100.0, usual=(10.0, 1000.0)
    )
    delay_s: int = count(
        "Time from a decision to its set-point, a multiple of cycle_s.", (0, 900), 0, unit="s", usual=(0, 120)
    )
    step_mw: Step = number(
        "Step in which the set-point of a BSP moves (0: with its ramp).",
        "MW",
        (0.0, 1000.0),
        0.0,
        usual=(0.0, 10.0),
    )
    noise_mw: float = number(
        "Standard deviation of the imbalance inside the ISP (synthetic).",
        "MW",
        (0.0, 10_000.0),
        2.0,
        usual=(0.0, 200.0),
    )
    monitor_s: int = count(
        "Time between two looks of DSOs at their grids.", (1, 3600), 60, unit="s", usual=(4, 900)
    )
    termination: bool = flag("Whether DSOs may stop what hurts their grids.", True)
    pricing: ReservePricing = about("What the reserve is paid: as bid, or as cleared by ISP.", "pay-as-bid")
    setpoint_loss: float = share(
        "Share of set-points that reach no BSP in a cycle: it keeps to the last one.",
        0.0,
        most=0.9,
        usual=(0.0, 0.1),
    )


class ImbalanceSettings(Section):
    """How imbalance is priced."""

    rule: Rule = about("One imbalance price, or one for each direction.", "single")
    alpha: Alpha = about("Addition to a single price where the imbalance lasts.", "none")


class StrategySettings(Section):
    """How some sellers bid."""

    aggregators: list[Word] = several("Sellers it is for: pools, units, large loads.", 10_000, least=1)
    name: str = text("Strategy by name, or a class of one's own as module:Class.")
    options: dict[Word, Any] = several("Options of the strategy.", 100, {})


class PowerFlowCheckSettings(Section):
    """AC validation after activation."""

    solver: Literal["lightsim2grid", "pandapower"] = about("Solver of the power flow.", "lightsim2grid")
    audit_share: float = share("Share of ISPs solved again with pandapower's runpp.", 0.01, usual=(0.0, 0.1))
