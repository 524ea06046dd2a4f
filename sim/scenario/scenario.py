"""A scenario: all input of a run. Unknown keys and values out of range are errors."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any, Literal
from zoneinfo import available_timezones

from pydantic import ValidationInfo, field_validator, model_validator

from tandem_sim.agents.strategies.allowed_code import EXTENSIONS, SCHEMES, check_code_name, installed
from tandem_sim.agents.strategies.registry import check_name
from tandem_sim.agents.strategies.time_limit import LIMIT_S
from tandem_sim.grids.documents.text import is_code_name
from tandem_sim.markets.auctions.aggregation import DEFAULT_STEP_MW
from tandem_sim.markets.auctions.mol_validation import MAX_ROUNDS
from tandem_sim.markets.choices import ABOUT, Kind, LocalPricing, Method, Pricing, Solver
from tandem_sim.markets.coordination.block import Scheme
from tandem_sim.markets.schemes import Options, build_schemes
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.scenario.described import unusual
from tandem_sim.sim.scenario.low_voltage_sections import IncidentSettings, LvFeederSettings, NonFirmSettings
from tandem_sim.sim.scenario.market_sections import (
    CapacitySettings,
    ConductSettings,
    ForwardingSettings,
    MitigationSettings,
    ReactiveSettings,
    RegisterSettings,
    SettlementSettings,
)
from tandem_sim.sim.scenario.population_section import PopulationSettings
from tandem_sim.sim.scenario.quantities import (
    MOST_ENTRIES,
    MOST_MW,
    Section,
    about,
    cost,
    count,
    flag,
    is_finished,
    number,
    several,
    text,
    within_calendar,
)
from tandem_sim.sim.scenario.sections import (
    DistributionSettings,
    DsoSettings,
    ExtensionSettings,
    ForecastSettings,
    GateSettings,
    ImbalanceSettings,
    LargeLoadSettings,
    LinkSettings,
    OutputSettings,
    PowerFlowCheckSettings,
    ProductSettings,
    ReserveSettings,
    StrategySettings,
    TransmissionSettings,
    UnitSettings,
    cost_problems,
)
from tandem_sim.sim.scenario.series_sections import PriceSettings, ProfileSettings

MOST_DAYS = 3660
"""Most days of a horizon: ten years."""


class Scenario(Section):
    """All input of a run: the same scenario gives the same tables.

    Its fields are the keys of a scenario file (docs/scenario.md). Scenarios are read, checked and changed by
    `tandem_sim.read_scenario`; they cannot be changed themselves.

    >>> from tandem_sim import read_scenario
    >>> scenario = read_scenario("reference", {"days": 2})
    >>> scenario.isp_minutes, scenario.pools[:2], [area.id for _, area in scenario.areas]
    (15, ['A01', 'A02'], ['D1', 'D2'])
    """

    name: str = text("Name of the scenario, in tables and figures.")
    description: str = text("Description in a sentence.", "", most=2000, least=0)
    start: datetime | date = about("Local date of the first day, or a local time at the start of an ISP.")
    days: int = count("Number of local days.", (1, MOST_DAYS), unit="d", usual=(1, 1100))
    zone: str = text("Time zone of the IANA list.", "Europe/Brussels")
    isp_minutes: Literal[5, 15, 30, 60] = about(
        "Length of an ISP (imbalance settlement period).", 15, unit="min"
    )
    seed: int = count("Seed of all random numbers.", (0, 2**63 - 1), 1, unit="")
    scheme: str = text("Coordination scheme (tandem schemes), or one as module:SCHEME.", "multilevel-03")
    grid_prequalification: Method = about("How DSOs limit bids to the capacity of their grids.", "envelope")
    aggregation: Kind = about("Supply functions of areas in scheme aggregation.", "exact")
    aggregation_step_mw: float = number(
        "Step of discrete supply functions.", "MW", (0.01, 10_000.0), DEFAULT_STEP_MW, usual=(0.05, 50.0)
    )
    pricing: Pricing = about("Pricing rule of markets.", "pay-as-bid")
    local_pricing: LocalPricing = about("Pricing rule of DSOs' markets.", "same")
    boundary_tolerance_mw: float = number(
        "Free band around the scheduled flow of shared-balancing.",
        "MW",
        (0.0, MOST_MW),
        0.0,
        usual=(0.0, 50.0),
    )
    solver: Solver = about(
        "Solver of linear optimisation problems: same results, highspy is a little faster.", "linprog"
    )
    mol_rounds: int = count(
        "Most rounds of merit order list (MOL) and MOL validation (hybrid).",
        (1, 60),
        MAX_ROUNDS,
        usual=(1, 20),
    )
    willingness_spread: float = cost(
        "Price spread of BRPs' bids around the day-ahead price (integrated).", 50.0
    )
    strategy: str = text("How all sellers bid (tandem strategies), or a class as module:Class.", "truthful")
    strategies: list[StrategySettings] = several("Other strategies of some sellers.", MOST_ENTRIES, [])
    extensions: list[ExtensionSettings] = several("Code of one's own that adds to the model.", 100, [])
    strategy_fault: Literal["stop", "truthful"] = about(
        "At an invalid offer of a strategy: stop the run, or bid truthfully.", "stop"
    )
    strategy_limit_s: float = number(
        "Longest call of a strategy not built in (0: no limit); no part of the run identity.",
        "s",
        (0.0, 86_400.0),
        LIMIT_S,
        usual=(0.0, 3600.0),
    )
    publishes_books: bool = flag(
        "Whether sellers see the anonymised bids of others of the last settled ISP.", False
    )
    transmission: TransmissionSettings = about("The transmission grid, its load and its units.")
    distribution: list[DistributionSettings] = several("Distribution grids, a DSO each.", 200, least=1)
    households: int | None = count(
        "Households, placed in proportion to nominal bus load (none: the rows of population.table).",
        (1, 10_000_000),
        None,
        usual=(50, 500_000),
    )
    aggregators: int = count("Aggregators of households.", (1, 1000), usual=(1, 200))
    aggregators_per_bus: int = count(
        "Aggregators that serve the households of one bus.", (1, 1000), 2, usual=(1, 20)
    )
    population: PopulationSettings = about("Households and their devices.", PopulationSettings())
    profiles: list[ProfileSettings] = several("Time series of one's own.", MOST_ENTRIES, [])
    prices: PriceSettings = about("Prices that are given and not simulated.", PriceSettings())
    forecast: ForecastSettings = about("Quality of forecasts.", ForecastSettings())
    product: ProductSettings = about("The traded product.", ProductSettings())
    gates: GateSettings = about("Lead times before delivery.", GateSettings())
    messages: LinkSettings = about("Latency and loss of messages.", LinkSettings())
    dso: DsoSettings = about("How DSOs model their grids.", DsoSettings())
    power_flow_check: PowerFlowCheckSettings = about(
        "AC power flow after activation.", PowerFlowCheckSettings()
    )
    reserve: ReserveSettings = about("The automatic reserve (aFRR).", ReserveSettings())
    imbalance: ImbalanceSettings = about("How imbalance is priced.", ImbalanceSettings())
    flexibility_register: RegisterSettings = about("The flexibility register.", RegisterSettings())
    capacity: CapacitySettings = about("Capacity auctions.", CapacitySettings())
    forwarding: ForwardingSettings = about("Forwarding of bids to the TSO.", ForwardingSettings())
    local_reactive: ReactiveSettings = about("Local markets of reactive power.", ReactiveSettings())
    mitigation: MitigationSettings = about("Mitigation of market power.", MitigationSettings())
    settlement: SettlementSettings = about("How deliveries are measured and paid.", SettlementSettings())
    conduct: ConductSettings = about("Aggregators that break rules.", ConductSettings())
    low_voltage: list[LvFeederSettings] = several("Low-voltage feeders.", 200, [])
    non_firm: NonFirmSettings = about("Non-firm connections.", NonFirmSettings())
    incidents: list[IncidentSettings] = several("Unforeseen changes of injection.", MOST_ENTRIES, [])
    output: OutputSettings = about("Tables that a run writes; no part of the run identity.", OutputSettings())

    @property
    def pools(self) -> list[str]:
        """Names of the aggregators of households: those that serve any bus, then those of one LV feeder."""
        of_lv_feeders = sum(lv_feeder.copies for lv_feeder in self.low_voltage if lv_feeder.own_aggregator)
        return [f"A{k + 1:02d}" for k in range(self.aggregators + of_lv_feeders)]

    @property
    def areas(self) -> list[tuple[int, DistributionSettings]]:
        """Distribution areas by name, each with its index in the scenario, which changes no result."""
        return sorted(enumerate(self.distribution), key=lambda given: given[1].id)

    @property
    def feeders(self) -> list[tuple[int, LvFeederSettings]]:
        """Low-voltage feeders by name, each with its index in the scenario."""
        return sorted(enumerate(self.low_voltage), key=lambda given: given[1].name)

    @property
    def incidents_in_order(self) -> list[tuple[int, IncidentSettings]]:
        """Incidents by bus and time, each with its index in the scenario."""
        return sorted(enumerate(self.incidents), key=lambda given: given[1].order)

    @property
    def units(self) -> list[UnitSettings]:
        """Units on transmission by name."""
        return sorted(self.transmission.units, key=lambda unit: unit.name)

    @property
    def large_loads(self) -> list[LargeLoadSettings]:
        """Large loads on transmission by name."""
        return sorted(self.transmission.large_loads, key=lambda load: load.name)

    @property
    def scheme_options(self) -> Options:
        """Options of the scheme in this scenario."""
        return Options(
            grid_prequalification=self.grid_prequalification,
            aggregation=self.aggregation,
            aggregation_step_mw=self.aggregation_step_mw,
            pricing=self.pricing,
            boundary_tolerance_mw=self.boundary_tolerance_mw,
            mol_rounds=self.mol_rounds,
            pool_minimum_mw=self.product.pool_minimum_mw,
            pooled_by=self.forwarding.pooled_by,
            local_reactive=self.local_reactive.enabled,
            mitigation=self.mitigation.enabled,
            reference_up_eur_per_mwh=self.mitigation.reference_up_eur_per_mwh,
            reference_down_eur_per_mwh=self.mitigation.reference_down_eur_per_mwh,
            local_pricing=self.local_pricing,
            envelope_check=self.dso.envelope_check,
        )

    @property
    def unusual(self) -> list[str]:
        """Fields with accepted values outside their usual range, a line each."""
        return unusual(self)

    @property
    def calendar(self) -> Calendar:
        """The ISPs of the horizon."""
        return Calendar.of_days(str(self.start), self.days, self.isp_minutes, self.zone)

    @field_validator("start", mode="before")
    @classmethod
    def _local_start(cls, value: Any) -> Any:
        """A local date, or a local date and time; a date means midnight."""
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                raise ValueError(f"{value} is no date, and no time such as 2016-04-18T06:00") from None
        if not isinstance(value, date):
            raise ValueError("is neither a date nor a date and time, as 2016-04-18 or 2016-04-18T06:00")
        if isinstance(value, datetime):
            if value.tzinfo is not None:
                raise ValueError("is a local time of the scenario's zone, without an offset")
            if value.time() == time.min:
                value = value.date()
        return within_calendar(value)

    @property
    def studies(self) -> bool:
        """Whether DSOs make a network flexibility study, to prequalify bids or to test units."""
        return self.grid_prequalification == "static" or (
            self.flexibility_register.enabled and self.flexibility_register.grid_test
        )

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones() or not ("/" in value or value == "UTC"):
            raise ValueError(f"{value} is no time zone of the IANA list, such as Europe/Brussels")
        return value

    @field_validator("scheme")
    @classmethod
    def _known_scheme(cls, value: str, info: ValidationInfo) -> str:
        if not is_finished(info):
            check_code_name(value, ABOUT, "scheme", SCHEMES)
        return value

    @field_validator("strategy")
    @classmethod
    def _known_strategy(cls, value: str, info: ValidationInfo) -> str:
        if not is_finished(info):
            check_name(value)
        return value

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Scenario:
        if self.dso.envelope_check != "none" and self.grid_prequalification == "static":
            raise ValueError("dso.envelope_check: cannot be used with grid_prequalification static")
        problems = [*_repeated_names(self), *_calendar_problems(self)]
        problems += cost_problems(self.transmission, self.product)
        if self.aggregators_per_bus > self.aggregators:
            problems.append("aggregators_per_bus: must not exceed aggregators")
        gates = self.gates
        if gates.mol - gates.mol_validate >= (gates.mol - gates.tso_clear) / self.mol_rounds:
            problems.append(
                f"mol_rounds: {self.mol_rounds} rounds of list and validation do not fit before tso_clear"
            )
        isp_s = 60 * self.isp_minutes
        if isp_s % self.reserve.cycle_s:
            problems.append(f"reserve.cycle_s: must divide the {isp_s} s of an ISP")
        if self.reserve.delay_s % self.reserve.cycle_s or self.reserve.delay_s >= isp_s:
            problems.append(
                f"reserve.delay_s: must be a multiple of cycle_s {self.reserve.cycle_s}, for set-points move "
                f"once a cycle, and less than the {isp_s} s of an ISP"
            )
        if self.imbalance.rule == "dual" and self.imbalance.alpha != "none":
            problems.append("imbalance.alpha: can only be used with rule single")
        problems += _balancing_problems(self) + _non_firm_problems(self) + _seller_problems(self)
        if not is_finished(info):
            problems += _code_problems(self)
        problems += _study_problems(self) + _population_problems(self)
        if self.messages.latency_s >= isp_s:
            problems.append(f"messages.latency_s: must be less than the {isp_s} s of an ISP")
        if problems:
            raise ValueError("; and also ".join(problems))
        return self


def scheme_problems(scenario: Scenario, scheme: Scheme) -> list[str]:
    """What the scenario demands and the scheme does not have, each as "field: problem".

    Of a built-in scheme it is checked with the scenario, of one of users when the model is built.
    """
    problems, settings = [], scenario.non_firm
    known = build_schemes(scenario.scheme_options)
    if scenario.local_reactive.enabled and not scheme.reads("area.reactive_bids"):
        suitable = [name for name, other in known.items() if other.reads("area.reactive_bids")]
        problems.append(
            f"local_reactive.enabled: scheme {scenario.scheme} has no local market ahead of the TSO's; "
            f"those with one are {', '.join(suitable)}"
        )
    if scenario.mitigation.enabled and not _mitigates(scheme):
        suitable = [name for name, other in known.items() if _mitigates(other)]
        problems.append(
            f"mitigation.enabled: scheme {scenario.scheme} has no local market; "
            f"those with one are {', '.join(suitable)}"
        )
    independent = any(block.party == "operator" for block in scheme.blocks)
    if settings.enabled and "tso" in settings.substitution and independent:
        problems.append(
            f"non_firm.substitution: tso needs a market that the TSO clears, and {scenario.scheme} has none"
        )
    return problems


def _mitigates(scheme: Scheme) -> bool:
    return any(block.name == "mitigate" for block in scheme.blocks)


def _balancing_problems(scenario: Scenario) -> list[str]:
    """Inconsistencies of scheme, register, capacity and conduct, each as "field: problem"."""
    found = build_schemes(scenario.scheme_options).get(scenario.scheme)
    problems = [] if found is None else scheme_problems(scenario, found)
    if scenario.capacity.enabled and not scenario.flexibility_register.enabled:
        problems.append(
            "flexibility_register.enabled: must be true, capacity can only be sold by registered groups"
        )
    capacity, local = scenario.capacity, scenario.capacity.local
    if (capacity.afrr_up_mw or capacity.afrr_down_mw) and not scenario.reserve.enabled:
        problems.append(
            "reserve.enabled: must be true, aFRR capacity would be withheld from all markets and never called"
        )
    if local.needs and local.day_starts % capacity.block_hours:
        problems.append(
            f"capacity.local.day_starts: {local.day_starts} must be a multiple of block_hours "
            f"{capacity.block_hours}, so that blocks are those of the TSO"
        )
    if local.needs and local.forwarding and local.days_ahead < 2:
        problems.append(
            "capacity.local.days_ahead: must be 2 or more, or forwarded bids are too late for the TSO"
        )
    areas = {d.id for d in scenario.distribution}
    for k, need in enumerate(scenario.capacity.local.needs):
        if need.area not in areas:
            problems.append(
                f"capacity.local.needs.{k}.area: {need.area} is no area; known are {', '.join(areas)}"
            )
    pools = set(scenario.pools)
    problems += [
        f"conduct.double_selling: {name} is no aggregator (A01 .. A{len(pools):02d})"
        for name in sorted(set(scenario.conduct.double_selling) - pools)
    ]
    return problems


def _calendar_problems(scenario: Scenario) -> list[str]:
    try:
        assert scenario.calendar
    except ValueError as error:
        return [f"{'isp_minutes' if 'clocks of' in str(error) else 'start'}: {error}"]
    return []


def _population_problems(scenario: Scenario) -> list[str]:
    """A number of households that is missing, populations of areas that do not fit: "field: problem"."""
    problems = []
    if scenario.households is None and scenario.population.table is None:
        problems.append("households: is missing, and there is no population.table whose rows they could be")
    for k, area in enumerate(scenario.distribution):
        try:
            scenario.population.drawn_in(area.population)
        except ValueError as error:
            problems.append(f"distribution.{k}.population: {error}")
    return problems


def _study_problems(scenario: Scenario) -> list[str]:
    """Inconsistencies of a network flexibility study, each as "field: problem"."""
    study, register = scenario.flexibility_register.study, scenario.flexibility_register
    problems = [
        f"flexibility_register.study.{key}: no study is made: grid_prequalification is not "
        "static, and there is no register with grid_test"
        for key in study.in_time
        if not scenario.studies
    ]
    if register.grid_test and not register.enabled:
        problems.append(
            "flexibility_register.grid_test: there is no register, flexibility_register.enabled is false"
        )
    if scenario.studies and study.emergencies and scenario.grid_prequalification != "static":
        problems.append("flexibility_register.study.emergencies: need grid_prequalification static")
    areas, pools = {d.id for d in scenario.distribution}, set(scenario.pools)
    placed = {f"reviews.{k}": review.area for k, review in enumerate(study.reviews)}
    placed |= {f"emergencies.{k}": emergency.area for k, emergency in enumerate(study.emergencies)}
    problems += [
        f"flexibility_register.study.{where}.area: {area} is no area; known are {', '.join(sorted(areas))}"
        for where, area in placed.items()
        if area not in areas
    ]
    return problems + [
        f"flexibility_register.study.contracts.{name}: {name} is no aggregator (A01 .. A{len(pools):02d})"
        for name in sorted(set(study.contracts) - pools)
    ]


def _code_problems(scenario: Scenario) -> list[str]:
    """Names of strategies and extensions that nothing can have, each as "field: problem"."""
    problems: list[str] = []
    for k, extension in enumerate(scenario.extensions):
        if not is_code_name(extension.name) and extension.name not in installed(EXTENSIONS):
            problems.append(f"extensions.{k}.name: {extension.name} is no module:function")
    for k, given in enumerate(scenario.strategies):
        try:
            check_name(given.name)
        except ValueError as error:
            problems.append(f"strategies.{k}.name: {error}")
    return problems


def _seller_problems(scenario: Scenario) -> list[str]:
    """Sellers with a strategy that do not exist or are named twice, each as "field: problem"."""
    t = scenario.transmission
    sellers = {*scenario.pools, *(u.name for u in t.units), *(x.name for x in t.large_loads)}
    problems: list[str] = []
    seen: set[str] = set()
    for k, given in enumerate(scenario.strategies):
        for name in given.aggregators:
            if name not in sellers:
                problems.append(f"strategies.{k}.aggregators: {name} sells nothing in this scenario")
            elif name in seen:
                problems.append(f"strategies.{k}.aggregators: {name} has a strategy already")
            seen.add(name)
    return problems


def _non_firm_problems(scenario: Scenario) -> list[str]:
    """Inconsistencies of feeders, contracts, gates and scheme, each as "field: problem"."""
    problems, settings, gates = [], scenario.non_firm, scenario.gates
    areas = {d.id for d in scenario.distribution}
    for k, lv_feeder in enumerate(scenario.low_voltage):
        if lv_feeder.area not in areas:
            problems.append(
                f"low_voltage.{k}.area: {lv_feeder.area} is no area; known are {', '.join(areas)}"
            )
    if not settings.enabled:
        return problems
    if not scenario.low_voltage:
        problems.append("low_voltage: must not be empty, contracts are for users of low-voltage feeders")
    if settings.hours_each is not None and 60 * settings.hours_each < scenario.isp_minutes:
        problems.append(
            f"non_firm.hours_each: {settings.hours_each:g} h is less than an ISP: contracts could not be used"
        )
    longest = gates.limit_ahead if settings.role == "prequalification" else gates.limit
    if not settings.always and settings.notice_minutes > longest:
        problems.append(
            f"non_firm.notice_minutes: {settings.notice_minutes:g} exceeds the {longest:g} minutes ahead at "
            f"which contracts are activated (role {settings.role}): none could be activated"
        )
    return problems


def _repeated_names(scenario: Scenario) -> list[str]:
    t = scenario.transmission
    given = {f"transmission.units.{k}.name": u.name for k, u in enumerate(t.units)}
    given |= {f"transmission.large_loads.{k}.name": x.name for k, x in enumerate(t.large_loads)}
    given |= {f"distribution.{k}.id": d.id for k, d in enumerate(scenario.distribution)}
    given |= {f"low_voltage.{k}.name": s.name for k, s in enumerate(scenario.low_voltage)}
    first: dict[str, str] = {}
    for place, name in given.items():
        first.setdefault(name, place)
    return [
        f"{place}: {name} is used twice (first by {first[name]}); every name is that of an agent"
        for place, name in given.items()
        if first[name] != place
    ]
