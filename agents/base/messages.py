"""Messages between agents: frozen dataclasses, grouped by protocol. Times are seconds since the start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from tandem_sim.grids.types import FloatArray, IntArray
from tandem_sim.markets.coordination.information import numbers_in
from tandem_sim.markets.coordination.operator_state import AreaState, SystemState
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.orders.flexibility_register import RegisteredUnit
from tandem_sim.markets.orders.products import Service
from tandem_sim.markets.services.capacity import CapacityBids, Contract


@dataclass(frozen=True)
class Message:
    """Base of all messages on the bus. The bus fills in the times; `delivered_s` is -1 for a lost message.

    `acknowledged` messages (day-ahead, settlement and the like) are repeated by their protocol until they
    arrive, so the bus never loses them. Messages sent against a gate closure are not: there is no time to
    repeat them, and `if_lost` says what happens then.
    """

    acknowledged: ClassVar[bool] = False
    if_lost: ClassVar[str] = ""
    kind: ClassVar[str] = ""  # name in tables: the class name without "Message"
    chance: ClassVar[str] = ""  # label in random streams: never changes, whatever the class is called
    sender: str
    receiver: str
    isp: int  # the ISP it is about; the first one of a day for day-ahead messages
    sent_s: int = -1
    delivered_s: int = -1

    def __init_subclass__(cls, chance: str) -> None:
        cls.kind, cls.chance = cls.__name__.removesuffix("Message"), chance

    @property
    def numbers(self) -> int:
        """Count of the numbers that one operator shares with another by the message."""
        return 0


# Day-ahead market: schedules, supply offers and prices of a day.


@dataclass(frozen=True)
class ScheduleMessage(Message, chance="schedule"):
    """BRP to day-ahead market and TSO: net injection in each ISP of a day (MW)."""

    acknowledged: ClassVar[bool] = True
    p_mw: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class SupplyMessage(Message, chance="supply"):
    """Seller to day-ahead market: markup on marginal cost in each ISP of a day (EUR/MWh)."""

    acknowledged: ClassVar[bool] = True
    markup: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class ReservedMessage(Message, chance="reserved"):
    """Seller to day-ahead market: MW that contracted capacity keeps free upwards and downwards in a block."""

    acknowledged: ClassVar[bool] = True
    block: range = range(0)
    up_mw: float = 0.0
    down_mw: float = 0.0


@dataclass(frozen=True)
class DayAheadMessage(Message, chance="day ahead"):
    """Day-ahead market to sellers: schedule of the receiver (MW) and price (EUR/MWh) in each ISP of a day."""

    acknowledged: ClassVar[bool] = True
    p_mw: FloatArray = field(default_factory=lambda: np.empty(0))
    price: FloatArray = field(default_factory=lambda: np.empty(0))


# Energy bids: bids, rejections, amendments, and what operators share to clear them.


@dataclass(frozen=True)
class BidsMessage(Message, chance="bids"):
    """Seller or BRP to the operator of a market: its bids in one system."""

    if_lost: ClassVar[str] = "no bids"
    system: str = ""
    bids: Bids = field(default_factory=Bids.empty)


@dataclass(frozen=True)
class RejectionMessage(Message, chance="rejection"):
    """Market operator to bidder: bids that broke the rules of their product, and why."""

    if_lost: ClassVar[str] = "the bidder does not learn of it"
    reasons: Mapping[str, str] = field(default_factory=dict)  # bid id -> reason


@dataclass(frozen=True)
class AmendMessage(Message, chance="amend"):
    """BSP to operator: new quantities and prices of bids left by the local market; 0 MW withdraws a bid."""

    if_lost: ClassVar[str] = "the bids stay as they were"
    system: str = ""
    bid_id: tuple[str, ...] = ()
    quantity_mw: FloatArray = field(default_factory=lambda: np.empty(0))
    price: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class StateMessage(Message, chance="house"):
    """Operator to operator: entries of the sender's operator state that the scheme shares."""

    if_lost: ClassVar[str] = "the receiver uses its last known values, or leaves the area out"
    system: str = ""
    entries: AreaState | SystemState = field(default_factory=AreaState)

    @property
    def numbers(self) -> int:
        """Count of the numbers in the entries."""
        return numbers_in(self.entries)


@dataclass(frozen=True)
class PlatformMessage(StateMessage, chance="platform"):
    """The same to or from the platform of an independent operator, which confirms receipt."""

    acknowledged: ClassVar[bool] = True


# Awards and delivery: awards, orders to resources, termination inside an ISP, imbalance.


@dataclass(frozen=True)
class AwardMessage(Message, chance="award"):
    """Market operator to bidder: MW awarded to each bid in one market (negative: an award taken back)."""

    if_lost: ClassVar[str] = "not activated; the shortfall is settled"
    system: str = ""
    market: str = ""
    bid_id: tuple[str, ...] = ()
    quantity_mw: FloatArray = field(default_factory=lambda: np.empty(0))
    price: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class OrderMessage(Message, chance="order"):
    """Aggregator to its resources: change ordered of each resource group (kW >= 0, upwards and downwards)."""

    if_lost: ClassVar[str] = "resources follow their last order"
    group: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    up_kw: FloatArray = field(default_factory=lambda: np.empty(0))
    down_kw: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class TerminationMessage(Message, chance="termination"):
    """DSO to TSO, inside an ISP: aFRR breaks limits of its grid.

    `bounds_mw` (n,) is the most that each bid of the direction concerned may deliver from now on.
    """

    if_lost: ClassVar[str] = "the reserve goes on until the DSO's next check"
    system: str = ""
    bounds_mw: FloatArray = field(default_factory=lambda: np.empty(0))

    @property
    def numbers(self) -> int:
        """Count of the bounds."""
        return len(self.bounds_mw)


@dataclass(frozen=True)
class BaselineMessage(Message, chance="baseline"):
    """Aggregator to TSO: injection of its device groups expected without activation (MW)."""

    if_lost: ClassVar[str] = "the last reading without activation is the baseline"
    group: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    declared_mw: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class ImbalanceMessage(Message, chance="imbalance"):
    """TSO to a BRP: its imbalance in one ISP (MWh, positive: long) and the imbalance price (EUR/MWh)."""

    acknowledged: ClassVar[bool] = True
    imbalance_mwh: float = 0.0
    price: float = 0.0


# Prequalification of assets for the flexibility register.


@dataclass(frozen=True)
class AssetsMessage(Message, chance="assets"):
    """BSP to TSO, and TSO to the DSO of the assets: request to prequalify these units of a group."""

    acknowledged: ClassVar[bool] = True
    provider: str = ""
    service: Service = "mFRR"
    units: tuple[RegisteredUnit, ...] = ()
    fast_mw: tuple[tuple[float, float], ...] = ()  # up, down within the full activation time of aFRR


@dataclass(frozen=True)
class AssetResultMessage(Message, chance="asset result"):
    """DSO to TSO: the tested units with the MW it allows, and why some were reduced."""

    acknowledged: ClassVar[bool] = True
    provider: str = ""
    units: tuple[RegisteredUnit, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)  # unit -> reason


@dataclass(frozen=True)
class RevisionMessage(Message, chance="revision"):
    """DSO to TSO: units tested before whose allowed MW have changed since, and why."""

    acknowledged: ClassVar[bool] = True
    provider: str = ""
    units: tuple[RegisteredUnit, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)  # unit -> reason


@dataclass(frozen=True)
class QualificationMessage(Message, chance="qualification"):
    """TSO to BSP: services that its group may sell, until a second; none: refused or withdrawn."""

    acknowledged: ClassVar[bool] = True
    services: tuple[Service, ...] = ()
    until_s: int = 0
    reason: str = ""


# Capacity: tenders, bids, awards, and nomination of contracted aFRR.


@dataclass(frozen=True)
class TenderMessage(Message, chance="tender"):
    """Operator to BSPs: call for capacity bids for blocks of ISPs, of pools in these systems."""

    acknowledged: ClassVar[bool] = True
    blocks: tuple[range, ...] = ()
    systems: tuple[str, ...] = ()


@dataclass(frozen=True)
class CapacityBidsMessage(Message, chance="capacity bids"):
    """BSP to operator, or from a DSO's tender to the TSO: capacity bids for one block of ISPs."""

    acknowledged: ClassVar[bool] = True
    block: range = range(0)
    bids: CapacityBids = field(default_factory=lambda: CapacityBids.of([]))


@dataclass(frozen=True)
class CapacityAwardMessage(Message, chance="capacity award"):
    """Operator to BSP: contracts for a block, and MW forwarded of the rest by system and direction."""

    acknowledged: ClassVar[bool] = True
    block: range = range(0)
    contracts: tuple[Contract, ...] = ()
    forwarded_mw: Mapping[tuple[str, int], float] = field(default_factory=dict)


@dataclass(frozen=True)
class NominationMessage(Message, chance="nomination"):
    """BSP to TSO: contracted aFRR that it will bid as energy in the ISPs of a day (MW by direction)."""

    if_lost: ClassVar[str] = "the capacity of the day counts as not offered"
    up_mw: FloatArray = field(default_factory=lambda: np.empty(0))
    down_mw: FloatArray = field(default_factory=lambda: np.empty(0))


# Non-firm connections: limits, and substitution of the energy that they block.


@dataclass(frozen=True)
class LimitMessage(Message, chance="limit"):
    """DSO to its customers and their pools: limits of connections on net import and export in an ISP (kW)."""

    acknowledged: ClassVar[bool] = True
    connection: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    import_kw: FloatArray = field(default_factory=lambda: np.empty(0))
    export_kw: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class SubstitutionRequestMessage(Message, chance="help"):
    """Aggregator to another: request for kW in a direction that can be called instead of blocked energy."""

    if_lost: ClassVar[str] = "this aggregator offers no substitution"
    direction: int = 0
    kw: float = 0.0


@dataclass(frozen=True)
class SubstitutionOfferMessage(Message, chance="help offer"):
    """Answer to a request: kW of device groups, each at a price (EUR/MWh, signed like bids)."""

    if_lost: ClassVar[str] = "the offer is not available"
    direction: int = 0
    group: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    kw: FloatArray = field(default_factory=lambda: np.empty(0))
    price: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class SubstitutionAcceptanceMessage(Message, chance="help accept"):
    """Aggregator to another: kW accepted of an offered group, paid as far as they are called."""

    acknowledged: ClassVar[bool] = True
    direction: int = 0
    group: int = 0
    kw: float = 0.0


@dataclass(frozen=True)
class ShortfallMessage(Message, chance="shortfall"):
    """Aggregator to TSO: MW that connection limits block, of energy sold and of reserve on offer."""

    if_lost: ClassVar[str] = "the TSO does not know, and buys no substitution"
    direction: int = 0
    energy_mw: float = 0.0
    reserve_mw: float = 0.0


# Reactive power on the local market.


@dataclass(frozen=True)
class ReactiveBidsMessage(Message, chance="reactive bids"):
    """Aggregator to DSO: its reactive power bids in one area.

    Rules: `tandem_sim.markets.auctions.reactive_power`.
    """

    if_lost: ClassVar[str] = "no offers of reactive power"
    system: str = ""
    bids: Bids = field(default_factory=Bids.empty)


@dataclass(frozen=True)
class ReactiveAwardMessage(Message, chance="reactive award"):
    """DSO to aggregator: Mvar awarded to each bid."""

    if_lost: ClassVar[str] = "no reactive power is delivered, and none is paid"
    system: str = ""
    bid_id: tuple[str, ...] = ()
    quantity_mvar: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class ReactiveOrderMessage(Message, chance="reactive order"):
    """Aggregator to its resources: reactive power ordered of each group (Mvar, injection positive)."""

    if_lost: ClassVar[str] = "no reactive power is delivered, and none is paid"
    group: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    mvar: FloatArray = field(default_factory=lambda: np.empty(0))
