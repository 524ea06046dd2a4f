"""The TSO's automatic reserve (aFRR) inside an ISP, on the bids that its market has left."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tandem_sim.agents.services.afrr import (
    AfrrBids,
    AfrrResult,
    AfrrSettings,
    ControllerState,
    Monitor,
    imbalance_path,
    run_isp,
)
from tandem_sim.agents.services.reserve_volumes import Volumes, five_minutes
from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray
from tandem_sim.markets.choices import ReservePricing
from tandem_sim.markets.clearing.pricing import Sale
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.markets.coordination.block import Scheme
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.coordination.operator_state import OperatorState
from tandem_sim.markets.orders.bids import Bids, StrArray
from tandem_sim.markets.orders.flexibility_register import FlexibilityRegister
from tandem_sim.markets.services.substitution import SLOW_S
from tandem_sim.markets.settlement.imbalance import (
    Alpha,
    ImbalancePrices,
    Regulation,
    Rule,
    adder,
    dual_price,
    regulation_state,
    single_price,
)
from tandem_sim.sim.clock.randomness import INSIDE_ISP, SET_POINTS, stream


class Dispatched(NamedTuple):
    """Result of aFRR in an ISP: by control cycle, mean MW of bids (n,) by system, and volumes by provider.

    `owner` in `volumes` is the index in `providers`.
    """

    control: AfrrResult
    mean_mw: dict[str, FloatArray]
    volumes: Volumes
    providers: StrArray


@dataclass(kw_only=True)
class Reserve:
    """The automatic reserve of one run: settings, noise inside the ISP (MW), and controller state."""

    settings: AfrrSettings
    sigma_mw: float
    termination: bool
    seed: int
    setpoint_loss: float = 0.0
    state: ControllerState = field(default_factory=ControllerState)
    pricing: ReservePricing = "pay-as-bid"

    def dispatch(
        self,
        books: Mapping[str, tuple[Bids, FloatArray]],
        isp: int,
        surplus_mw: float,
        isp_s: int,
        monitor: Monitor,
        available_mw: FloatArray | None = None,
        slow_mw: FloatArray | None = None,
    ) -> Dispatched:
        """One ISP.

        `books` holds each system's bids and the MW left of them; `surplus_mw` is the mean imbalance without
        aFRR. Over all bids joined (n,): `available_mw` is what they can deliver (None: all), `slow_mw` the
        part of the MW left that moves no faster than mFRR.
        """
        path = imbalance_path(
            surplus_mw,
            isp_s // self.settings.cycle_s,
            self.sigma_mw,
            self.settings,
            stream(self.seed, INSIDE_ISP, isp),
        )
        left = np.concatenate([mw for _, mw in books.values()])
        ramp = left / self.settings.full_activation_s
        if slow_mw is not None:
            ramp = (left - slow_mw) / self.settings.full_activation_s + slow_mw / SLOW_S
        names, owner = np.unique(np.concatenate([b.provider for b, _ in books.values()]), return_inverse=True)
        bids = AfrrBids(
            direction=np.concatenate([b.direction for b, _ in books.values()]).astype(np.float64),
            quantity_mw=left,
            price=np.concatenate([b.price for b, _ in books.values()]),
            ramp_mw_per_s=ramp,
            owner=owner,
        )
        received = self._received(isp, owner, names, len(path))
        watch = monitor if self.termination else None
        result = run_isp(self.settings, bids, path, self.state, watch, received, available_mw)
        mean = np.minimum(result.delivered_mean_mw, left)
        mean[mean < NEGLIGIBLE_MW] = 0.0
        ends = np.cumsum([len(mw) for _, mw in books.values()])[:-1]
        by_system = dict(zip(books, np.split(mean, ends), strict=True))
        return Dispatched(result, by_system, five_minutes(bids, result, self.settings.cycle_s), names)

    def sales(
        self, books: Mapping[str, tuple[Bids, FloatArray]], mean_mw: Mapping[str, FloatArray]
    ) -> dict[str, Sale]:
        """Delivery of each book and its pay: as bid, or at the price of the last bid of the ISP.

        The highest price that delivered upwards is paid to all upwards, the lowest price downwards to all
        downwards.
        """
        price, direction, mw = (
            np.concatenate(parts)
            for parts in (
                [bids.price for bids, _ in books.values()],
                [bids.direction for bids, _ in books.values()],
                [mean_mw[system] for system in books],
            )
        )
        last_up = price[(mw > 0.0) & (direction > 0)].max(initial=-np.inf)
        last_down = price[(mw > 0.0) & (direction < 0)].min(initial=np.inf)
        sales = {}
        for system, (bids, _) in books.items():
            delivered = mean_mw[system]
            unit = bids.price
            if self.pricing == "pay-as-cleared":
                last = np.where(bids.direction > 0, last_up, last_down)
                unit = np.where(delivered > 0.0, last, 0.0)
            sales[system] = Sale.of(delivered, bids.direction * unit * delivered)
        return sales

    def _received(self, isp: int, owner: IntArray, names: StrArray, cycles: int) -> BoolArray | None:
        """Which set-points arrive, (cycles, n): one message carries the set-points of all bids of a BSP."""
        if self.setpoint_loss == 0.0:
            return None
        drawn = [stream(self.seed, SET_POINTS, isp, name).random(cycles) for name in names.tolist()]
        arrived = self.setpoint_loss <= np.array(drawn).reshape(len(names), cycles).T
        return np.asarray(arrived[:, owner])

    def minutes_mw(self, result: AfrrResult) -> FloatArray:
        """Net delivery of each minute of an ISP (MW)."""
        return result.minutes_mw(self.settings.cycle_s)


@dataclass
class ImbalancePricing:
    """Imbalance pricing of a run, and the last system imbalances that it needs."""

    rule: Rule
    alpha: Alpha
    _surplus: deque[float] = field(default_factory=lambda: deque(maxlen=8))

    def bound_by(self, found: Regulation) -> tuple[bool, bool]:
        """Whether the mean prices paid upwards and downwards bound the prices of an ISP (art. 55).

        Under a single price: in the net direction. Under dual prices: by the regulation state, 2 means both.
        """
        if self.rule == "dual":
            state = regulation_state(found)
            return state in (1, 2), state in (-1, 2)
        net = found.up_mw - found.down_mw
        return net > NEGLIGIBLE_MW, net < -NEGLIGIBLE_MW

    def prices(self, found: Regulation, mid_price: float, surplus_mw: float) -> tuple[ImbalancePrices, float]:
        """Prices of an ISP, and their adder (EUR/MWh); `surplus_mw` is the imbalance without activation."""
        self._surplus.append(surplus_mw)
        if self.rule == "dual":
            return dual_price(found, mid_price), 0.0
        alpha = adder(self.alpha, np.array(self._surplus))
        return single_price(found, mid_price, alpha, both_sides=self.alpha != "elia-2019"), alpha


def reserve_books(
    known: OperatorState,
    ledger: Ledger,
    scheme: Scheme,
    register: FlexibilityRegister | None = None,
    now_s: int = 0,
) -> dict[str, tuple[Bids, FloatArray]]:
    """Bids left by the last market: MW of each bid unsold and, in areas, within the offer to that market.

    Areas are included where the scheme lets that market buy distributed bids. With a `register`, each unit
    counts up to the MW it is qualified for.
    """
    buys = [b for b in scheme.blocks if b.party != "dso"]
    open_to_it = any("area.offers" in b.reads for b in buys)
    books: dict[str, tuple[Bids, FloatArray]] = {}
    for system in known:
        state = known.of(system)
        bids = state.bids if state.knows("bids") else Bids.empty()
        if system not in ledger.offered or len(bids) != len(ledger.sold(system)):
            continue  # the book did not arrive at the TSO
        left = np.where(bids.demand, 0.0, bids.quantity_mw - ledger.sold(system))
        if system != T:
            if not open_to_it:
                continue
            taken = [ledger.markets[b.name][system] for b in buys if system in ledger.markets.get(b.name, {})]
            left = np.minimum(
                left, np.maximum(known.area(system).offers - sum(taken, np.zeros(len(bids))), 0.0)
            )
        books[system] = bids, left if register is None else register.within_fast_mw(bids, left, now_s)
    return books
