"""Sections of a scenario on register, capacity, forwarding, reactive power, settlement and conduct."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ValidationInfo, field_validator, model_validator

from tandem_sim.agents.strategies.allowed_code import BASELINES, check_code_name
from tandem_sim.markets.choices import Region
from tandem_sim.markets.settlement.baselines import METHODS
from tandem_sim.sim.clock.public_holidays import ZONE, check_code
from tandem_sim.sim.scenario.quantities import (
    MOST_ENTRIES,
    MOST_MW,
    BusIndex,
    Day,
    Hour,
    Moment,
    Section,
    Word,
    about,
    cost,
    count,
    flag,
    is_finished,
    number,
    price,
    several,
    share,
    text,
)
from tandem_sim.sim.scenario.sections import Name

HolidayCode = Annotated[str, AfterValidator(check_code)]


class NewcomerSettings(Section):
    """A share of all households, drawn at random, that apply for a study on a later date."""

    share: float = share("Share of all households, drawn at random.")
    applied: Day = about("Date of their application for a study.")


class ReviewSettings(Section):
    """A DSO reviews its decisions, with a worse worst case from then on (synthetic)."""

    area: Name = about("Area whose DSO makes the review.")
    on: Day = about("Date from which the worst case is worse.")
    load_factor: float = number("Factor on the load at peak.", "p.u.", (1.0, 100.0), 1.0, usual=(1.0, 3.0))
    generation_factor: float = number(
        "Factor on all generation.", "p.u.", (1.0, 100.0), 1.0, usual=(1.0, 3.0)
    )


class EmergencySettings(Section):
    """Temporary measures of a DSO: bids at these buses are not forwarded to the TSO."""

    area: Name = about("Area whose DSO takes the measures.")
    buses: list[BusIndex] = several("Buses of the area from which nothing is forwarded.", 100_000, least=1)
    start: Moment = about("Local time of their beginning.")
    end: Moment = about("Local time of their end.")
    cause: str = text("Cause; congestion is not accepted.", most=1000)

    @model_validator(mode="after")
    def _no_congestion(self) -> EmergencySettings:
        if "congestion" in self.cause.lower():
            raise ValueError("cause: congestion is no emergency; a DSO has to buy flexibility against it")
        if self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise ValueError("start and end are local times of the scenario's zone, without an offset")
        if self.start >= self.end:
            raise ValueError(f"end {self.end} does not lie after start {self.start}")
        return self


class StudySettings(Section):
    """The network flexibility study (Belgium): regional rules, later applications, reviews, emergencies.

    Households that are no newcomers applied before the run and have a decision when it begins.
    """

    region: Region = about("Region whose rules the study follows.", "flanders")
    newcomers: list[NewcomerSettings] = several("Households that apply for a study later.", MOST_ENTRIES, [])
    reviews: list[ReviewSettings] = several("Later reviews by DSOs.", MOST_ENTRIES, [])
    contracts: dict[Word, Day] = several(
        "Pools with contracts of several years, and their end dates.", 10_000, {}
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
        """Keys that are given and have an effect only with a study."""
        return [k for k in ("newcomers", "reviews", "contracts", "emergencies") if getattr(self, k)]


class RegisterSettings(Section):
    """The flexibility register: prequalification, its renewal, and its withdrawal after bad delivery."""

    enabled: bool = flag("Whether there is a register.", False)
    grid_test: bool = flag("Whether DSOs refuse units that their study does not allow to sell.", False)
    study: StudySettings = about("The network flexibility study.", StudySettings())
    valid_days: float = number(
        "Validity of a qualification; five years as for FRR.",
        "d",
        (1.5, 36_500.0),
        1825.0,
        usual=(30.0, 3650.0),
    )
    strikes: int = count(
        "ISPs in a row outside the delivery band after which a group loses its qualification.",
        (1, 100_000),
        8,
        unit="ISP",
        usual=(1, 200),
    )
    suspension_hours: float = number(
        "Time for which a suspended group may not request qualification.",
        "h",
        (0.0, 8784.0),
        24.0,
        usual=(0.0, 720.0),
    )


class LocalNeed(Section):
    """Capacity that a DSO needs in its area, every day between two local hours."""

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
    forwarding: bool = flag("Whether unsold bids are forwarded to the TSO's auction.", True)
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
    pricing: Literal["pay-as-bid", "pay-as-cleared"] = about("Pricing rule of capacity.", "pay-as-bid")
    pool_minimum_mw: float = number(
        "Least capacity that a provider may sell in a direction.", "MW", (0.0, 1000.0), 1.0, usual=(0.0, 10.0)
    )
    tick_mw: float = number("Amounts are multiples of this.", "MW", (0.001, 100.0), 0.1, usual=(0.001, 1.0))
    offered_share: float = share("Share of their expected availability in a block that sellers offer.", 0.5)
    unit_price_eur_per_mw_h: float = cost(
        "Mean price that units bid.", 8.0, unit="EUR/(MW h)", usual=(0.0, 200.0)
    )
    pool_price_eur_per_mw_h: float = cost(
        "Mean price that pools bid.", 5.0, unit="EUR/(MW h)", usual=(0.0, 200.0)
    )
    price_spread: float = share("Width of the range of bids around these prices, as a share.", 0.4)
    penalty_factor: float = number(
        "Penalty per MW not offered, as a multiple of the capacity price.",
        "p.u.",
        (0.0, 100.0),
        1.3,
        usual=(0.0, 10.0),
    )
    strike_eur_per_mwh: float | None = cost(
        "Price limit of contracted MW beyond the day-ahead price (none: no limit).", None
    )
    nomination: bool = flag("Whether contracted aFRR must be nominated by D-1 14:45.", False)
    local: LocalCapacitySettings = about("Capacity that DSOs buy.", LocalCapacitySettings())

    @property
    def enabled(self) -> bool:
        """Whether anybody buys capacity."""
        bought = (self.afrr_up_mw, self.afrr_down_mw, self.mfrr_up_mw, self.mfrr_down_mw)
        return any(bought) or bool(self.local.needs)


class ForwardingSettings(Section):
    """Rules for bids forwarded from a local market to the TSO's."""

    consent: bool = flag("Whether sellers consent to forwarding of bids left by the local market.", True)
    amend: bool = flag(
        "Whether sellers may lower quantities and withdraw bids after the local market.", False
    )
    reprice: bool = flag("Whether sellers may also change prices then.", False)
    pooled_by: Literal["provider", "operator"] = about(
        "Who pools small bids to reach the pool minimum.", "provider"
    )


class MitigationSettings(Section):
    """Local markets cap bids of pivotal sellers at reference prices (synthetic)."""

    enabled: bool = flag("Whether local markets cap bids of pivotal sellers at reference prices.", False)
    reference_up_eur_per_mwh: float = price("Highest price of a pivotal seller upwards.", 100.0)
    reference_down_eur_per_mwh: float = price("Lowest price of a pivotal seller downwards.", 0.0)


class ReactiveSettings(Section):
    """A local market of reactive power for voltage, ahead of that of active power; the price is synthetic."""

    enabled: bool = flag("Whether DSOs buy reactive power; for schemes with a local market first.", False)
    price_eur_per_mvarh: float = cost(
        "Price that inverters bid in either direction.", 4.0, unit="EUR/Mvarh", usual=(0.0, 100.0)
    )
    power_factor: float = number(
        "Power factor at which inverters of PV and batteries carry their rated power.",
        "p.u.",
        (0.1, 0.999),
        0.9,
        usual=(0.8, 0.99),
    )


class SettlementSettings(Section):
    """How deliveries are measured, and charges on shortfalls beyond the imbalance price."""

    baseline: str = text(
        "How deliveries are measured (counterfactual: as simulated), or a class as module:Class.",
        "counterfactual",
    )
    baseline_options: dict[Word, Any] = several("Options of a baseline of one's own.", 100, {})
    schedule_mape: float = share(
        "Mean absolute error of a declared baseline, as a share of it (synthetic).", 0.05, usual=(0.0, 0.3)
    )
    x: int = count(
        "X of High X of Y: days with the highest consumption.", (1, 60), 4, unit="d", usual=(1, 10)
    )
    y: int = count("Y of High X of Y: days looked back on.", (1, 60), 5, unit="d", usual=(1, 20))
    adjusted: bool = flag("Whether High X of Y is adjusted by the deviation before the event.", False)
    before_isps: int = count(
        "MBMA: most readings in a row without activation that are averaged.",
        (1, 288),
        4,
        unit="ISP",
        usual=(1, 16),
    )
    holidays: HolidayCode = about(
        "Public holidays (no working days): zone, none, or a country (BE) and part (DE-NW).", ZONE
    )
    correct_brp: bool = flag("Whether the BRP's perimeter is corrected for activation by aggregators.", True)
    shortfall_eur_per_mwh: float = cost("Charge on missing delivery beyond the tolerance of 10 %.", 0.0)

    @property
    def measures(self) -> bool:
        """Whether deliveries are measured against an estimated baseline, not the simulated counterfactual."""
        return self.baseline != "counterfactual"

    @field_validator("baseline")
    @classmethod
    def _known_baseline(cls, value: str, info: ValidationInfo) -> str:
        if not is_finished(info):
            check_code_name(value, METHODS, "baseline", BASELINES)
        return value

    @model_validator(mode="after")
    def _fitting(self) -> SettlementSettings:
        if self.x > self.y:
            raise ValueError(f"x {self.x} exceeds y {self.y}")
        if self.baseline_options and self.baseline in METHODS:
            raise ValueError(
                f"baseline_options are for a baseline of one's own, and {self.baseline} is built in"
            )
        return self


class ConductSettings(Section):
    """Aggregators (A01, A02, ...) that break the rules, to test whether this is detected."""

    double_selling: list[Word] = several("Aggregators that offer sold capacity and bids again.", 10_000, [])
