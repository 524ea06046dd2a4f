"""What agents tell each other: frozen dataclasses. Times are seconds since the scenario's start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from tandem_sim.grids.types import FloatArray, IntArray
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.orders.flexibility_register import RegisteredUnit
from tandem_sim.markets.orders.products import Service
from tandem_sim.markets.services.capacity import CapacityBids, Contract


@dataclass(frozen=True)
class Message:
    """Anything sent over the bus. The bus fills in the times; `delivered_s` is -1 for a lost message.

    Day-ahead and settlement messages are `acknowledged`: their protocol repeats them until they arrive, so
    the bus never loses them. What is sent against a gate is not: there is no time to ask again, and `if_lost`
    says what happens then.
    """

    acknowledged: ClassVar[bool] = False
    if_lost: ClassVar[str] = ""
    kind: ClassVar[str] = ""  # its name in tables: that of its class
    chance: ClassVar[str] = ""  # its name in random streams, which stays whatever the class is called
    sender: str
    receiver: str
    isp: int  # the ISP it is about; the first one of a day for day-ahead messages
    sent_s: int = -1
    delivered_s: int = -1

    def __init_subclass__(cls, chance: str) -> None:
        cls.kind, cls.chance = cls.__name__.removesuffix("Message"), chance


@dataclass(frozen=True)
class ScheduleMessage(Message, chance="schedule"):
    """BRP to day-ahead market and TSO: net injection per ISP of a day (MW)."""

    acknowledged: ClassVar[bool] = True
    p_mw: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class DayAheadMessage(Message, chance="day ahead"):
    """Day-ahead market to sellers: the receiver's schedule (MW) and the price (EUR/MWh) per ISP of a day."""

    acknowledged: ClassVar[bool] = True
    p_mw: FloatArray = field(default_factory=lambda: np.empty(0))
    price: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class BidsMessage(Message, chance="bids"):
    """Aggregator to market operator: its bids in one system."""

    if_lost: ClassVar[str] = "no bids"
    system: str = ""
    bids: Bids = field(default_factory=Bids.empty)


@dataclass(frozen=True)
class RejectionMessage(Message, chance="rejection"):
    """Market operator to aggregator: bids that broke their product's rules, and why."""

    if_lost: ClassVar[str] = "the sender is not told"
    reasons: Mapping[str, str] = field(default_factory=dict)  # bid id -> reason


@dataclass(frozen=True)
class StateMessage(Message, chance="house"):
    """Operator to operator: entries of the sender's state that the scheme shares."""

    if_lost: ClassVar[str] = "the receiver goes by what it knew, or without the area"
    system: str = ""
    entries: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PlatformMessage(StateMessage, chance="platform"):
    """The same to or from the platform of an independent operator, which confirms what it receives."""

    acknowledged: ClassVar[bool] = True


@dataclass(frozen=True)
class TerminationMessage(StateMessage, chance="termination"):
    """DSO to TSO, inside an ISP: the reserve hurts its grid. `bounds`: MW that bids may deliver at most."""

    if_lost: ClassVar[str] = "the reserve goes on until the DSO looks again"


@dataclass(frozen=True)
class AwardMessage(Message, chance="award"):
    """Market operator to aggregator: MW awarded per bid in one market."""

    if_lost: ClassVar[str] = "not activated; the shortfall is settled"
    system: str = ""
    market: str = ""
    bid_id: tuple[str, ...] = ()
    quantity_mw: FloatArray = field(default_factory=lambda: np.empty(0))
    price: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class OrderMessage(Message, chance="order"):
    """Aggregator to its resources: wanted change per resource group (kW, up positive part and down part)."""

    if_lost: ClassVar[str] = "resources keep to what they were told last"
    group: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    up_kw: FloatArray = field(default_factory=lambda: np.empty(0))
    down_kw: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class MeterMessage(Message, chance="meter"):
    """Meters to an aggregator: delivered change per bid group (kW)."""

    if_lost: ClassVar[str] = "the aggregator is not told; the settlement reads the meters itself"
    group: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    up_kw: FloatArray = field(default_factory=lambda: np.empty(0))
    down_kw: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class ImbalanceMessage(Message, chance="imbalance"):
    """TSO to a BRP: its imbalance of one ISP (MWh, positive: long) and the price (EUR/MWh)."""

    acknowledged: ClassVar[bool] = True
    imbalance_mwh: float = 0.0
    price: float = 0.0


@dataclass(frozen=True)
class AssetsMessage(Message, chance="assets"):
    """BSP to TSO, and TSO to the DSO of the assets: please prequalify these units of a group."""

    acknowledged: ClassVar[bool] = True
    provider: str = ""
    service: Service = "mFRR"
    units: tuple[RegisteredUnit, ...] = ()
    fast_mw: tuple[tuple[float, float], ...] = ()  # up, down within the full activation time of aFRR


@dataclass(frozen=True)
class AssetResultMessage(Message, chance="asset result"):
    """DSO to TSO: the units as tested (MW it allows), and why some were cut."""

    acknowledged: ClassVar[bool] = True
    provider: str = ""
    units: tuple[RegisteredUnit, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)  # unit -> reason


@dataclass(frozen=True)
class RevisionMessage(Message, chance="revision"):
    """DSO to TSO, unasked: units tested before that may now sell these MW instead, and why not more."""

    acknowledged: ClassVar[bool] = True
    provider: str = ""
    units: tuple[RegisteredUnit, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)  # unit -> reason


@dataclass(frozen=True)
class QualificationMessage(Message, chance="qualification"):
    """TSO to BSP: services its group may sell until a second; none of them: refused or withdrawn."""

    acknowledged: ClassVar[bool] = True
    services: tuple[Service, ...] = ()
    until_s: int = 0
    reason: str = ""


@dataclass(frozen=True)
class TenderMessage(Message, chance="tender"):
    """Operator to BSPs: offer capacity for these blocks of ISPs, of pools in these systems."""

    acknowledged: ClassVar[bool] = True
    blocks: tuple[range, ...] = ()
    systems: tuple[str, ...] = ()


@dataclass(frozen=True)
class CapacityBidsMessage(Message, chance="capacity bids"):
    """BSP to operator, or from a DSO's tender to the TSO: capacity for one block of ISPs."""

    acknowledged: ClassVar[bool] = True
    block: range = range(0)
    bids: CapacityBids = field(default_factory=lambda: CapacityBids.of([]))


@dataclass(frozen=True)
class CapacityAwardMessage(Message, chance="capacity award"):
    """Operator to BSP: capacity sold for a block; of the rest what was forwarded, by system and direction."""

    acknowledged: ClassVar[bool] = True
    block: range = range(0)
    contracts: tuple[Contract, ...] = ()
    forwarded_mw: Mapping[tuple[str, int], float] = field(default_factory=dict)


@dataclass(frozen=True)
class NominationMessage(Message, chance="nomination"):
    """BSP to TSO: what of its sold capacity it will bid as energy in the ISPs of a day (MW by direction)."""

    if_lost: ClassVar[str] = "the capacity of the day counts as not offered"
    up_mw: FloatArray = field(default_factory=lambda: np.empty(0))
    down_mw: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class BaselineMessage(Message, chance="baseline"):
    """Aggregator to TSO: what its device groups will inject unasked (MW)."""

    if_lost: ClassVar[str] = "the last reading without activation is the baseline"
    group: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    declared_mw: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class ReservedMessage(Message, chance="reserved"):
    """Producer to day-ahead market: MW that sold capacity keeps free, upwards and downwards, in a block."""

    acknowledged: ClassVar[bool] = True
    block: range = range(0)
    up_mw: float = 0.0
    down_mw: float = 0.0


@dataclass(frozen=True)
class SupplyMessage(Message, chance="supply"):
    """Producer to day-ahead market: EUR/MWh asked above marginal cost in each ISP of a day."""

    acknowledged: ClassVar[bool] = True
    markup: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class AmendMessage(Message, chance="amend"):
    """BSP to operator: new quantities and prices of bids the local market left; 0 MW withdraws one."""

    if_lost: ClassVar[str] = "the bids stand as they were"
    system: str = ""
    bid_id: tuple[str, ...] = ()
    quantity_mw: FloatArray = field(default_factory=lambda: np.empty(0))
    price: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class LimitMessage(Message, chance="limit"):
    """DSO to its customers: net import and export that their connections may have in an ISP (kW)."""

    acknowledged: ClassVar[bool] = True
    connection: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    import_kw: FloatArray = field(default_factory=lambda: np.empty(0))
    export_kw: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class SubstitutionRequestMessage(Message, chance="help"):
    """Aggregator to another: wanted, somebody to deliver so many kW in a direction should they be called."""

    if_lost: ClassVar[str] = "nobody is asked"
    direction: int = 0
    kw: float = 0.0


@dataclass(frozen=True)
class SubstitutionOfferMessage(Message, chance="help offer"):
    """Answer to it: kW of device groups, each at a price (EUR/MWh, signed like bids)."""

    if_lost: ClassVar[str] = "no help"
    direction: int = 0
    group: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    kw: FloatArray = field(default_factory=lambda: np.empty(0))
    price: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class SubstitutionAcceptanceMessage(Message, chance="help accept"):
    """Aggregator to a helper: so many kW of a group are wanted, to be paid as far as they are called."""

    acknowledged: ClassVar[bool] = True
    direction: int = 0
    group: int = 0
    kw: float = 0.0


@dataclass(frozen=True)
class ShortfallMessage(Message, chance="shortfall"):
    """Aggregator to TSO: MW of energy sold, and of reserve on offer, that limits on connections block."""

    if_lost: ClassVar[str] = "the TSO does not know, and buys no replacement"
    direction: int = 0
    energy_mw: float = 0.0
    reserve_mw: float = 0.0


@dataclass(frozen=True)
class ReactiveBidsMessage(Message, chance="reactive bids"):
    """Aggregator to DSO: its offers of reactive power in one area.

    Its rules stand in `tandem_sim.markets.auctions.reactive_power`.
    """

    if_lost: ClassVar[str] = "no offers of reactive power"
    system: str = ""
    bids: Bids = field(default_factory=Bids.empty)


@dataclass(frozen=True)
class ReactiveAwardMessage(Message, chance="reactive award"):
    """DSO to aggregator: Mvar bought of each offer."""

    if_lost: ClassVar[str] = "no reactive power is delivered, and none is paid"
    system: str = ""
    bid_id: tuple[str, ...] = ()
    quantity_mvar: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class ReactiveOrderMessage(Message, chance="reactive order"):
    """Aggregator to its resources: reactive power wanted of each group (Mvar, injection positive)."""

    if_lost: ClassVar[str] = "no reactive power is delivered, and none is paid"
    group: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    mvar: FloatArray = field(default_factory=lambda: np.empty(0))
