"""Sections of a scenario: frozen, checked, unknown keys are errors. Fields are made in ``quantities``."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tandem_sim.grids.documents.text import hint
from tandem_sim.markets.choices import EnvelopeCheck, ReservePricing
from tandem_sim.markets.coordination.gates import ABOUT_GATES, GATES
from tandem_sim.markets.settlement.imbalance import Alpha, Rule
from tandem_sim.sim.output.tables import ABOUT, FIXED, UNNEEDED, Unneeded
from tandem_sim.sim.scenario.population_section import AreaPopulationSettings
from tandem_sim.sim.scenario.quantities import (
    MOST_ENTRIES,
    MOST_MW,
    BusIndex,
    Section,
    Word,
    about,
    cost,
    count,
    flag,
    grid_name,
    number,
    price,
    several,
    share,
    text,
)
from tandem_sim.sim.scenario.series_sections import GivenForecastSettings, InjectionSettings

LatencyLaw = Literal["constant", "exponential", "lognormal"]

_RESERVED = re.compile(r"TSO|T|households|A\d+|DSO-.*|BRP-.*")


def _not_reserved(name: str) -> str:
    if _RESERVED.fullmatch(name):
        raise ValueError("is reserved for agents of Tandem (TSO, T, households, A1.., DSO-.., BRP-..)")
    return name


def _zero_or_step(value: float) -> float:
    if 0.0 < value < LEAST_STEP_MW:
        raise ValueError(f"must be 0 or at least {LEAST_STEP_MW:g}")
    return value


LEAST_STEP_MW = 1e-6
"""Smallest step: below it, rounding errors would cause rejections of bids."""
Name = Annotated[
    str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=60, strict=True), AfterValidator(_not_reserved)
]
"""Name of a unit, a large load or an area: names of agents are made from it."""
Rating = Annotated[float, Field(ge=0.001, le=MOST_MW, strict=True, allow_inf_nan=False)]
Step = Annotated[float, AfterValidator(_zero_or_step)]
"""Step of quantities, 0: no step."""


class UnitSettings(Section):
    """A conventional unit on transmission: cost ``c1 p + c2 p**2`` EUR/h."""

    name: Name = about("Name of the unit and of its agent.")
    bus: BusIndex = about("Bus of the transmission grid (pandapower index).")
    p_min_mw: float = number("Minimum power while running.", "MW", (0.0, MOST_MW), 0.0, usual=(0.0, 1000.0))
    p_max_mw: float = number("Maximum power.", "MW", (0.001, MOST_MW), usual=(1.0, 2000.0))
    ramp_mw_per_isp: float = number(
        "Largest change of power from one ISP to the next.", "MW/ISP", (0.001, MOST_MW), usual=(0.1, 1000.0)
    )
    c1: float = price("Linear cost coefficient: cost is c1 p + c2 p^2.")
    c2: float = number(
        "Quadratic cost coefficient: half the slope of marginal cost.",
        "EUR/MW2h",
        (0.0, 1000.0),
        0.0,
        usual=(0.0, 10.0),
    )
    adder: float = cost(
        "Markup on marginal cost of its bids, added upwards, subtracted downwards.", 0.0, usual=(0.0, 500.0)
    )

    @model_validator(mode="after")
    def _range(self) -> UnitSettings:
        if self.p_min_mw > self.p_max_mw:
            raise ValueError(f"p_min_mw {self.p_min_mw:g} exceeds p_max_mw {self.p_max_mw:g}")
        return self


class LargeLoadSettings(Section):
    """A large load on transmission that sells part of its consumption."""

    name: Name = about("Name of the large load and of its agent.")
    bus: BusIndex = about("Bus of the transmission grid (pandapower index).")
    up_mw: float = number("Decrease of consumption on offer.", "MW", (0.0, MOST_MW), usual=(0.0, 500.0))
    up_price: float = price("Price it is paid for less consumption.")
    down_mw: float = number("Increase of consumption on offer.", "MW", (0.0, MOST_MW), usual=(0.0, 500.0))
    down_price: float = price("Price it pays for more consumption.")


class GridSettings(Section):
    """A grid by name, with ratings that its data lack or the study changes."""

    grid: str = grid_name("Grid: a file, a SimBench code, case69, case141 or a pandapower network.")
    ratings_mva: dict[Word, Rating] = several(
        "Ratings by branch (line 4, trafo 0), missing in the data or changed.",
        100_000,
        {},
        unit="MVA",
    )
    load_scale: float = number(
        "Factor on the nominal load of the grid's data.", "p.u.", (0.0, 100.0), 1.0, usual=(0.05, 5.0)
    )
    injections: list[InjectionSettings] = several(
        "Loads, generators and storages that follow a profile.", 10_000, []
    )


class TransmissionSettings(GridSettings):
    """The transmission grid, its load and its units."""

    load_profile: list[Word] = several(
        "Profiles of load: the mean of measured ones, 1 at the annual peak, and of one's own in p.u. scales "
        "nominal load; the sum of one's own in kW or MW is the load.",
        100,
        least=1,
    )
    units: list[UnitSettings] = several("Conventional units.", MOST_ENTRIES, least=1)
    large_loads: list[LargeLoadSettings] = several("Large loads that sell flexibility.", MOST_ENTRIES, [])


class DistributionSettings(GridSettings):
    """A distribution grid: one DSO."""

    id: Name = about("Name of the area; its DSO is called DSO- and this name.")
    interface_bus: BusIndex = about("Bus of the transmission grid that supplies the area.")
    other_profile: list[Word] = several(
        "Profiles of load besides households; those of one's own in kW or MW are that load, in all.",
        100,
        least=1,
    )
    other_share: float = share("Share of nominal load besides households.", 0.3)
    population: AreaPopulationSettings | None = about(
        "Shares and ranges of households that differ from `population` in this area.", None
    )


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
    given: list[GivenForecastSettings] = several("Forecasts of areas from files.", 201, [])


class ProductSettings(Section):
    """The traded product."""

    min_quantity_mw: float = number("Smallest bid.", "MW", (0.0, 1000.0), 0.001, usual=(0.0, 10.0))
    tick_mw: Step = number(
        "Step of quantities (0: any quantity).", "MW", (0.0, 100.0), 0.0001, usual=(0.0, 1.0)
    )
    price_floor_eur_per_mwh: float = price("Lowest price of bids.", -9999.0, usual=(-15_000.0, 0.0))
    price_cap_eur_per_mwh: float = price("Highest price of bids.", 9999.0, usual=(100.0, 15_000.0))
    pool_minimum_mw: float = number(
        "Least sum of a provider's bids per direction and system, in the TSO's market.",
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
        """The largest price of bids in size, EUR/MWh."""
        return max(abs(self.price_floor_eur_per_mwh), abs(self.price_cap_eur_per_mwh))


def cost_problems(transmission: TransmissionSettings, product: ProductSettings) -> list[str]:
    """Costs of units and large loads must be within the price limits of bids: penalties lie above those."""
    low, high = product.price_floor_eur_per_mwh, product.price_cap_eur_per_mwh
    admitted = f"product admits prices from {low:g} to {high:g} EUR/MWh"
    problems = []
    for k, unit in enumerate(transmission.units):
        first, last = (unit.c1 + 2.0 * unit.c2 * mw for mw in (unit.p_min_mw, unit.p_max_mw))
        if not low <= first - unit.adder <= last + unit.adder <= high:
            problems.append(
                f"transmission.units.{k}: marginal cost c1 + 2 c2 p is {first:g} to {last:g} EUR/MWh, adder "
                f"{unit.adder:g}, and {admitted}"
            )
    return problems + [
        f"transmission.large_loads.{k}.{key}: is {cost_price:g}, and {admitted}"
        for k, load in enumerate(transmission.large_loads)
        for key, cost_price in (("up_price", load.up_price), ("down_price", load.down_price))
        if not low <= cost_price <= high
    ]


def lead(meaning: str, default: float, **more: Any) -> Any:
    """A lead time of a gate before delivery, in minutes."""
    return number(meaning, "min", (0.1, 600.0), default, usual=(1.0, 240.0), **more)


class GateSettings(Section):
    """Lead times before delivery. Bids are sent after the day-ahead price is known."""

    limit_ahead: float = lead(ABOUT_GATES["limit_ahead"], 70.0)
    offer: float = lead(ABOUT_GATES["offer"], 65.0)
    dso_close: float = lead(ABOUT_GATES["dso_close"], 60.0)
    dso_clear: float = lead(ABOUT_GATES["dso_clear"], 55.0)
    amend: float = lead(ABOUT_GATES["amend"], 52.0)
    forward: float = lead(ABOUT_GATES["forward"], 50.0)
    prequalify: float = lead(ABOUT_GATES["prequalify"], 45.0)
    tso_close: float = lead(ABOUT_GATES["tso_close"], 25.0)
    mol: float = lead(ABOUT_GATES["mol"], 24.0)
    mol_validate: float = lead(ABOUT_GATES["mol_validate"], 23.0)
    tso_clear: float = lead(ABOUT_GATES["tso_clear"], 12.5)
    correct: float = lead(ABOUT_GATES["correct"], 7.5)
    limit: float = lead(ABOUT_GATES["limit"], 7.0)
    trade: float = lead(ABOUT_GATES["trade"], 6.6)
    assess: float = lead(ABOUT_GATES["assess"], 6.2)
    report: float = lead(ABOUT_GATES["report"], 5.8)
    substitute: float = lead(ABOUT_GATES["substitute"], 5.4)
    declare: float = lead(ABOUT_GATES["declare"], 5.0)

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
        """Seconds before delivery of every gate, by name; gates of a merit order list once per round."""
        leads = {name: [round(60 * lead)] for name, lead in self.minutes().items()}
        step = 60 * (self.mol - self.tso_clear) / rounds
        for name in ("mol", "mol_validate"):
            leads[name] = [round(leads[name][0] - k * step) for k in range(rounds)]
        return leads


class LinkSettings(Section):
    """Latency and loss of messages."""

    latency_s: int = count(
        "Least latency of a message; less than an ISP.", (0, 900), 1, unit="s", usual=(0, 60)
    )
    distribution: LatencyLaw = about("Distribution of the random latency added.", "constant")
    spread_s: float = number("Mean of the random latency added.", "s", (0.0, 3600.0), 0.0, usual=(0.0, 120.0))
    loss: float = share("Share of messages lost.", 0.0, most=0.9, usual=(0.0, 0.1))


class DsoSettings(Section):
    """How DSOs model their grids, and their margins."""

    offset: Literal["ac", "linear"] = about(
        "Base state of DSOs' linear models: AC power flow, or linear.", "ac"
    )
    flow_margin: float = share("Share of each rating that DSOs keep free.", 0.05, most=0.9, usual=(0.0, 0.2))
    voltage_margin_pu: float = number(
        "Distance that DSOs keep from each voltage limit.", "p.u.", (0.0, 0.05), 0.002, usual=(0.0, 0.02)
    )
    envelope_check: EnvelopeCheck = about(
        "Whether limits on bids must also hold in the AC power flow (not static).", "none"
    )


class ReserveSettings(Section):
    """The automatic reserve inside the ISP (aFRR), on bids left by the TSO's market."""

    enabled: bool = flag("Whether there is an automatic reserve.", False)
    cycle_s: int = count("Time between two set-points; divides the ISP.", (1, 60), 4, unit="s", usual=(1, 10))
    full_activation_s: float = number(
        "Full activation time of a bid.", "s", (1.0, 3600.0), 300.0, usual=(30.0, 900.0)
    )
    gain: float = number(
        "Proportional gain of the controller, per MW of area control error.",
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
        "Time between two checks of grids by DSOs.", (1, 3600), 60, unit="s", usual=(4, 900)
    )
    termination: bool = flag("Whether DSOs may bound aFRR that breaks limits of their grids.", True)
    pricing: ReservePricing = about("Pricing rule of aFRR; as cleared is per ISP.", "pay-as-bid")
    setpoint_loss: float = share(
        "Share of set-points lost per cycle; the BSP keeps its last one.",
        0.0,
        most=0.9,
        usual=(0.0, 0.1),
    )


class ImbalanceSettings(Section):
    """How imbalance is priced."""

    rule: Rule = about("Single or dual imbalance price.", "single")
    alpha: Alpha = about("Adder to a single price when the imbalance lasts.", "none")


class StrategySettings(Section):
    """How some sellers bid."""

    aggregators: list[Word] = several(
        "Sellers with this strategy: pools, units, large loads.", 10_000, least=1
    )
    name: str = text("Strategy by name, or a class of one's own as module:Class.")
    options: dict[Word, Any] = several("Options of the strategy.", 100, {})


class ExtensionSettings(Section):
    """Code of one's own that adds agents, roles or observers to the model."""

    name: str = text("A function as module:function, or one that an installed distribution registers.")
    options: dict[Word, Any] = several("Keyword arguments of the function.", 100, {})


class PowerFlowCheckSettings(Section):
    """AC power flow after activation."""

    solver: Literal["lightsim2grid", "pandapower"] = about("Solver of the power flow.", "lightsim2grid")
    audit_share: float = share("Share of ISPs checked with pandapower's runpp.", 0.01, usual=(0.0, 0.1))


def _in_order(tables: list[Unneeded]) -> list[Unneeded]:
    """Tables in alphabetical order, each once."""
    return sorted(set(tables))


def _not_needed(table: str) -> str:
    """Raise ValueError for a table that cannot be left out, with what needs it."""
    if table in FIXED:
        raise ValueError(f"{table} cannot be left out: it names the branches and buses of other tables")
    if table in ABOUT and table not in UNNEEDED:
        raise ValueError(f"{table} cannot be left out: needed by {ABOUT[table].needed}")
    if table not in UNNEEDED:
        raise ValueError(f"{table} is no table of a run. {hint(table, UNNEEDED)}")
    return table


class OutputSettings(Section):
    """Which tables a run writes, and how often."""

    leave_out: Annotated[
        list[Annotated[Unneeded, BeforeValidator(_not_needed)]], AfterValidator(_in_order)
    ] = several("Tables that are not written.", len(UNNEEDED), [])
    every_isps: int = count(
        "One ISP of so many has rows in branch_loading and bus_voltage.", (1, 1000), 1, usual=(1, 96)
    )
