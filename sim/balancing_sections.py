"""The sections of a scenario that say who may sell, what stands ready, and what is settled how."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from tandem_sim.markets.baselines import Method
from tandem_sim.markets.choices import Region
from tandem_sim.sim.public_holidays import ZONE, check_code
from tandem_sim.sim.sections import BusIndex, Count, Name, NotNegative, Positive, Section, Share

Hour = Annotated[int, Field(ge=0, le=24, strict=True)]


HolidayCode = Annotated[str, AfterValidator(check_code)]


class NewcomerSettings(Section):
    """A share of all households, drawn at random, that ask for a study on a date of their own."""

    share: Share
    applied: date


class ReviewSettings(Section):
    """A DSO looks again at what it has qualified, its worst case being worse from then on (synthetic)."""

    area: Name
    on: date
    load_factor: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.0  # on the load at peak
    generation_factor: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.0  # on all generation


class EmergencySettings(Section):
    """Temporary measures of a DSO: nobody at these buses is forwarded to the TSO."""

    area: Name
    buses: list[BusIndex] = Field(min_length=1)
    start: datetime
    end: datetime
    cause: str = Field(min_length=1)

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

    region: Region = "flanders"
    newcomers: list[NewcomerSettings] = Field(default=[])
    reviews: list[ReviewSettings] = Field(default=[])
    contracts: dict[str, date] = Field(default={})  # pools with contracts of several years, and their ends
    emergencies: list[EmergencySettings] = Field(default=[])

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

    enabled: bool = False
    grid_test: bool = False  # DSOs refuse units that their network flexibility study does not let sell
    study: StudySettings = StudySettings()
    valid_days: Annotated[float, Field(ge=1.5, allow_inf_nan=False)] = 1825.0  # five years, as for FRR
    strikes: Count = 8  # ISPs in a row outside the delivery band that cost a group its qualification
    suspension_hours: NotNegative = 24.0


class LocalNeed(Section):
    """Capacity that a DSO wants to stand ready in its area, every day between two local hours."""

    area: Name
    direction: Literal["up", "down"]
    mw: Positive
    from_hour: Hour
    to_hour: Hour

    @model_validator(mode="after")
    def _in_order(self) -> LocalNeed:
        if self.from_hour >= self.to_hour:
            raise ValueError(f"from_hour {self.from_hour} must lie before to_hour {self.to_hour}")
        return self


class LocalCapacitySettings(Section):
    """The DSOs' tenders, at noon `days_ahead` of a local market day that starts at `day_starts`."""

    day_starts: Annotated[int, Field(ge=0, le=23, strict=True)] = 16
    days_ahead: Annotated[int, Field(ge=1, le=30, strict=True)] = 7
    forwarding: bool = True  # what is not bought goes on to the TSO's auction
    needs: list[LocalNeed] = Field(default=[])


class CapacitySettings(Section):
    """Capacity auctions of the TSO, D-1 at `hour`, in blocks of hours; amounts in MW, prices synthetic."""

    afrr_up_mw: NotNegative = 0.0
    afrr_down_mw: NotNegative = 0.0
    mfrr_up_mw: NotNegative = 0.0
    mfrr_down_mw: NotNegative = 0.0
    hour: Annotated[int, Field(ge=0, le=11, strict=True)] = 9  # before the day-ahead market
    block_hours: Literal[1, 2, 3, 4, 6, 8, 12, 24] = 4
    pricing: Literal["pay-as-bid", "pay-as-cleared"] = "pay-as-bid"
    pool_minimum_mw: NotNegative = 1.0
    tick_mw: Positive = 0.1
    offered_share: Share = 0.5  # of what a seller expects to have throughout a block
    unit_price_eur_per_mw_h: NotNegative = 8.0
    pool_price_eur_per_mw_h: NotNegative = 5.0
    price_spread: Share = 0.4  # sellers' prices lie within half of this around these
    penalty_factor: NotNegative = 1.3  # of the capacity price, per MW that was not offered
    strike_eur_per_mwh: NotNegative | None = (
        None  # most that contracted MW may ask beyond the day-ahead price
    )
    nomination: bool = False  # contracted aFRR must be nominated D-1 14:45
    local: LocalCapacitySettings = LocalCapacitySettings()

    @property
    def enabled(self) -> bool:
        """Whether anybody buys capacity."""
        bought = (self.afrr_up_mw, self.afrr_down_mw, self.mfrr_up_mw, self.mfrr_down_mw)
        return any(bought) or bool(self.local.needs)


class ForwardingSettings(Section):
    """What may happen to bids on their way from a local market to the TSO's."""

    consent: bool = True  # sellers let uncleared bids pass
    amend: bool = False  # after the local market, sellers may lower quantities and withdraw bids
    reprice: bool = False  # and change their prices
    pooled_by: Literal["provider", "operator"] = "provider"  # who adds small bids up to the pool minimum


class MitigationSettings(Section):
    """Local markets hold sellers without whom limits stay broken to reference prices (synthetic)."""

    enabled: bool = False
    reference_up_eur_per_mwh: float = 100.0
    reference_down_eur_per_mwh: float = 0.0


class ReactiveSettings(Section):
    """A local market of reactive power for voltage, ahead of that of active power; the price is synthetic."""

    enabled: bool = False
    price_eur_per_mvarh: NotNegative = 4.0  # asked for either direction
    power_factor: Annotated[float, Field(gt=0, lt=1)] = 0.9  # at which inverters carry their rated power


class SettlementSettings(Section):
    """How deliveries are measured, and what shortfalls cost beyond the imbalance price."""

    baseline: Method = "counterfactual"
    schedule_mape: Share = 0.05  # error of a declared baseline, mean absolute share of it (synthetic)
    x: Count = 4
    y: Count = 5
    adjusted: bool = False  # High X of Y is shifted by what today is off before the event
    before_isps: Count = 4
    holidays: HolidayCode = ZONE  # country (and part) whose public holidays are no working days
    correct_brp: bool = True  # the BRP's perimeter is corrected for what aggregators activated in it
    shortfall_eur_per_mwh: NotNegative = 0.0  # on what is missing beyond the tolerance of 10 %

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

    double_selling: list[str] = Field(default=[])  # offer again what they have sold
