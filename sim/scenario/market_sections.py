"""The sections of a scenario that say who may sell, what stands ready, and what is settled how."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, model_validator

from tandem_sim.markets.choices import Region
from tandem_sim.markets.settlement.baselines import Method
from tandem_sim.sim.clock.public_holidays import ZONE, check_code
from tandem_sim.sim.scenario.quantities import (
    MOST_ENTRIES,
    MOST_MW,
    BusIndex,
    Day,
    Hour,
    Moment,
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
from tandem_sim.sim.scenario.sections import Name, Section

HolidayCode = Annotated[str, AfterValidator(check_code)]


class NewcomerSettings(Section):
    """A share of all households, drawn at random, that ask for a study on a date of their own."""

    share: float = share("Share of all households, drawn at random.")
    applied: Day = about("Date on which they ask for a study.")


class ReviewSettings(Section):
    """A DSO looks again at what it has qualified, its worst case being worse from then on (synthetic)."""

    area: Name = about("Area whose DSO looks again.")
    on: Day = about("Date from which the worst case is worse.")
    load_factor: float = number("Factor on the load at peak.", "p.u.", (1.0, 100.0), 1.0, usual=(1.0, 3.0))
    generation_factor: float = number(
        "Factor on all generation.", "p.u.", (1.0, 100.0), 1.0, usual=(1.0, 3.0)
    )


class EmergencySettings(Section):
    """Temporary measures of a DSO: nobody at these buses is forwarded to the TSO."""

    area: Name = about("Area whose DSO takes the measures.")
    buses: list[BusIndex] = several("Buses of the area from which nothing is forwarded.", 100_000, least=1)
    start: Moment = about("Local time from which they hold.")
    end: Moment = about("Local time at which they end.")
    cause: str = text("Cause; congestion is none.", most=1000)

    @model_validator(mode="after")
    def _no_congestion(self) -> EmergencySettings:
        if "congestion" in self.cause.lower():
            raise ValueError("cause: congestion is no emergency, a DSO has to buy flexibility against it")
        if self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise ValueError("start and end are local times of the scenario's zone, without an offset")
        if self.start >= self.end:
            raise ValueError(f"end {self.end} does not lie behind start {self.start}")
        return self


class StudySettings(Section):
    """The network flexibility study (Belgium): whose rules, who asks late, and what happens later.

    Households that are no newcomers have asked long ago and are answered when the run begins.
    """

    region: Region = about("Region whose rules the study follows.", "flanders")
    newcomers: list[NewcomerSettings] = several("Households that ask for a study later.", MOST_ENTRIES, [])
    reviews: list[ReviewSettings] = several("Later reviews by DSOs.", MOST_ENTRIES, [])
    contracts: dict[Word, Day] = several(
        "Pools with contracts of several years, and the dates on which these end.", 10_000, {}
    )
    emergencies: list[EmergencySettings] = several("Temporary measures of DSOs.", MOST_ENTRIES, [])

    @model_validator(mode="after")
    def _shares(self) -> StudySettings:
        if sum(n.share for n in self.newcomers) > 1.0:
            raise ValueError("newcomers: their shares add up to more than 1")
        return self

    @property
    def by_date(self) -> list[NewcomerSettings]:
        """Newcomers in the order in which they apply."""
        return sorted(self.newcomers, key=lambda n: (n.applied, n.share))

    @property
    def in_time(self) -> list[str]:
        """Keys that have an effect only where a study is made."""
        return [k for k in ("newcomers", "reviews", "contracts", "emergencies") if getattr(self, k)]


class RegisterSettings(Section):
    """The flexibility register: prequalification, its renewal, and its withdrawal after bad delivery."""

    enabled: bool = flag("Whether there is a register.", False)
    grid_test: bool = flag("Whether DSOs refuse units that their study does not let sell.", False)
    study: StudySettings = about("The network flexibility study.", StudySettings())
    valid_days: float = number(
        "Time for which a qualification is valid; five years as for FRR.",
        "d",
        (1.5, 36_500.0),
        1825.0,
        usual=(30.0, 3650.0),
    )
    strikes: int = count(
        "ISPs in a row outside the delivery band that cost a group its qualification.",
        (1, 100_000),
        8,
        unit="ISP",
        usual=(1, 200),
    )
    suspension_hours: float = number(
        "Time for which a group that lost its qualification may not ask again.",
        "h",
        (0.0, 8784.0),
        24.0,
        usual=(0.0, 720.0),
    )


class LocalNeed(Section):
    """Capacity that a DSO wants to stand ready in its area, every day between two local hours."""

    area: Name = about("Area whose DSO buys.")
    direction: Literal["up", "down"] = about("Direction of the injection it may call.")
    mw: float = number("Capacity.", "MW", (0.001, 10_000.0), usual=(0.01, 100.0))
    from_hour: Hour = about("Local hour at which it begins.", unit="h")
    to_hour: Hour = about("Local hour at which it ends.", unit="h")

    @model_validator(mode="after")
    def _in_order(self) -> LocalNeed:
        if self.from_hour >= self.to_hour:
            raise ValueError(f"from_hour {self.from_hour} must lie before to_hour {self.to_hour}")
        return self


class LocalCapacitySettings(Section):
    """The DSOs' tenders, at noon `days_ahead` of a local market day that starts at `day_starts`."""

    day_starts: int = count("Local hour at which a local market day starts.", (0, 23), 16, unit="h")
    days_ahead: int = count("Days from a tender to its market day.", (1, 30), 7, unit="d", usual=(1, 14))
    forwarding: bool = flag("Whether what is not bought goes on to the TSO's auction.", True)
    needs: list[LocalNeed] = several("Capacity that DSOs buy.", MOST_ENTRIES, [])


def reserved(meaning: str) -> Any:
    """An amount of capacity, none by default."""
    return number(meaning, "MW", (0.0, MOST_MW), 0.0, usual=(0.0, 2000.0))


class CapacitySettings(Section):
    """Capacity auctions of the TSO, D-1 at `hour`, in blocks of hours; prices are synthetic."""

    afrr_up_mw: float = reserved("aFRR upwards that the TSO buys.")
    afrr_down_mw: float = reserved("aFRR downwards that the TSO buys.")
    mfrr_up_mw: float = reserved("mFRR upwards that the TSO buys.")
    mfrr_down_mw: float = reserved("mFRR downwards that the TSO buys.")
    hour: int = count("Local hour of the auction, ahead of the day-ahead market.", (0, 11), 9, unit="h")
    block_hours: Literal[1, 2, 3, 4, 6, 8, 12, 24] = about("Length of a block.", 4, unit="h")
    pricing: Literal["pay-as-bid", "pay-as-cleared"] = about("What capacity is paid.", "pay-as-bid")
    pool_minimum_mw: float = number(
        "Least that a provider may sell in a direction.", "MW", (0.0, 1000.0), 1.0, usual=(0.0, 10.0)
    )
    tick_mw: float = number("What amounts are multiples of.", "MW", (0.001, 100.0), 0.1, usual=(0.001, 1.0))
    offered_share: float = share(
        "Share that sellers offer of what they expect to have throughout a block.", 0.5
    )
    unit_price_eur_per_mw_h: float = cost(
        "Price around which units ask.", 8.0, unit="EUR/(MW h)", usual=(0.0, 200.0)
    )
    pool_price_eur_per_mw_h: float = cost(
        "Price around which pools ask.", 5.0, unit="EUR/(MW h)", usual=(0.0, 200.0)
    )
    price_spread: float = share("Width of the band around these prices in which sellers ask.", 0.4)
    penalty_factor: float = number(
        "Times the capacity price that is paid per MW not offered.",
        "p.u.",
        (0.0, 100.0),
        1.3,
        usual=(0.0, 10.0),
    )
    strike_eur_per_mwh: float | None = cost(
        "Most that contracted MW may ask beyond the day-ahead price (none: no limit).", None
    )
    nomination: bool = flag("Whether contracted aFRR must be nominated by D-1 14:45.", False)
    local: LocalCapacitySettings = about("Capacity that DSOs buy.", LocalCapacitySettings())

    @property
    def enabled(self) -> bool:
        """Whether anybody buys capacity."""
        bought = (self.afrr_up_mw, self.afrr_down_mw, self.mfrr_up_mw, self.mfrr_down_mw)
        return any(bought) or bool(self.local.needs)


class ForwardingSettings(Section):
    """What may happen to bids on their way from a local market to the TSO's."""

    consent: bool = flag("Whether sellers let bids pass that the local market did not call.", True)
    amend: bool = flag(
        "Whether sellers may lower quantities and withdraw bids after the local market.", False
    )
    reprice: bool = flag("Whether they may change prices then too.", False)
    pooled_by: Literal["provider", "operator"] = about(
        "Who adds small bids up to the pool minimum.", "provider"
    )


class MitigationSettings(Section):
    """Local markets hold sellers without whom limits stay broken to reference prices (synthetic)."""

    enabled: bool = flag("Whether local markets hold pivotal sellers to reference prices.", False)
    reference_up_eur_per_mwh: float = price("Highest price of a pivotal seller upwards.", 100.0)
    reference_down_eur_per_mwh: float = price("Lowest price of a pivotal seller downwards.", 0.0)


class ReactiveSettings(Section):
    """A local market of reactive power for voltage, ahead of that of active power; the price is synthetic."""

    enabled: bool = flag("Whether DSOs buy reactive power; for schemes with a local market first.", False)
    price_eur_per_mvarh: float = cost(
        "What inverters ask for either direction.", 4.0, unit="EUR/Mvarh", usual=(0.0, 100.0)
    )
    power_factor: float = number(
        "Power factor at which inverters of PV and batteries carry their rated power.",
        "p.u.",
        (0.1, 0.999),
        0.9,
        usual=(0.8, 0.99),
    )


class SettlementSettings(Section):
    """How deliveries are measured, and what shortfalls cost beyond the imbalance price."""

    baseline: Method = about("How deliveries are measured (counterfactual: as simulated).", "counterfactual")
    schedule_mape: float = share(
        "Mean absolute error of a declared baseline, as a share of it (synthetic).", 0.05, usual=(0.0, 0.3)
    )
    x: int = count(
        "X of High X of Y: days with the highest consumption.", (1, 60), 4, unit="d", usual=(1, 10)
    )
    y: int = count("Y of High X of Y: days looked back on.", (1, 60), 5, unit="d", usual=(1, 20))
    adjusted: bool = flag("Whether High X of Y is shifted by what the day is off before the event.", False)
    before_isps: int = count(
        "ISPs before the event that this and MBMA look at.", (1, 288), 4, unit="ISP", usual=(1, 16)
    )
    holidays: HolidayCode = about(
        "Public holidays that are no working days: zone, none, or a country (BE) and part (DE-NW).", ZONE
    )
    correct_brp: bool = flag("Whether the BRP's perimeter is corrected for what aggregators activated.", True)
    shortfall_eur_per_mwh: float = cost("Charge on what is missing beyond the tolerance of 10 %.", 0.0)

    @property
    def measures(self) -> bool:
        """Whether deliveries are measured against an estimate, and not the simulator's own counterfactual."""
        return self.baseline != "counterfactual"

    @model_validator(mode="after")
    def _x_of_y(self) -> SettlementSettings:
        if self.x > self.y:
            raise ValueError(f"x {self.x} exceeds y {self.y}")
        return self


class ConductSettings(Section):
    """Aggregators (A01, A02, ...) that do not play by the rules, to see whether they are caught."""

    double_selling: list[Word] = several("Aggregators that offer again what they have sold.", 10_000, [])
