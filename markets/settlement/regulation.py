"""Balancing of an ISP, from the ledger: the volumes and prices on which imbalance prices are based."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.clearing.purposes import unserved_without_limits
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.orders.penalties import unserved_eur_per_mwh
from tandem_sim.markets.settlement.imbalance import Regulation
from tandem_sim.markets.settlement.payments import RESERVE


def regulation_of(
    ledger: Ledger,
    books: Mapping[str, Bids],
    bought: Collection[str],
    delta_mw: FloatArray | None = None,
) -> Regulation:
    """Balancing of an ISP by the markets `bought` for the TSO.

    `delta_mw` is the delivery of the automatic reserve minute by minute (net, up positive), if there is one.
    Volumes and marginal prices are those of the same markets without limits: so the net volume is what the
    system needed, and congestion sets no imbalance price. Unserved need counts as called at the price of its
    penalty, except for the part caused by a limit. Congestion also sets no price through means: energy called
    for balancing counts there with its pay, or with the marginal price if that is closer to zero.
    """
    mw = {1: 0.0, -1: 0.0}
    prices: dict[int, list[float]] = {1: [], -1: []}
    paid: dict[int, list[tuple[FloatArray, FloatArray]]] = {1: [], -1: []}  # EUR/MWh, MW
    for market, systems in ledger.markets.items():
        for system, award in systems.items() if market in bought else ():
            bids, why = books[system], ledger.purposes[market][system]
            for direction, best in ((1, np.max), (-1, np.min)):
                sellers = (bids.direction == direction) & ~bids.demand
                wanted = sellers & (why.unlimited_mw > NEGLIGIBLE_MW)
                if wanted.any():
                    mw[direction] += float(why.unlimited_mw[wanted].sum())
                    prices[direction].append(float(best(bids.price[wanted])))
                called = sellers & (why.balancing_mw > NEGLIGIBLE_MW)
                if called.any():
                    unit = direction * ledger.paid[market][system][called] / award[called]
                    paid[direction].append((unit, why.balancing_mw[called]))
    nan = float("nan")
    mean = {
        direction: _mean_paid(paid[direction], near(prices[direction], default=nan), near)
        for direction, near in ((1, max), (-1, min))
    }
    for clearing in (c for systems in ledger.clearings.values() for c in systems.values()):
        for direction, unserved in zip((1, -1), unserved_without_limits(clearing.answer), strict=True):
            if unserved > NEGLIGIBLE_MW:
                mw[direction] += unserved
                prices[direction].append(direction * unserved_eur_per_mwh())
    reserve = ledger.markets.get(RESERVE, {})
    manual = mw[1] - mw[-1] - sum(float(books[s].direction @ x) for s, x in reserve.items())
    net = np.array([manual]) if delta_mw is None else manual + delta_mw
    up, down = max(prices[1], default=nan), min(prices[-1], default=nan)
    return Regulation(
        delta_mw=net,
        up_mw=mw[1],
        down_mw=mw[-1],
        up_price=up,
        down_price=down,
        up_mean=mean[1],
        down_mean=mean[-1],
    )


def _mean_paid(
    paid: Sequence[tuple[FloatArray, FloatArray]], marginal: float, near: Callable[..., float]
) -> float:
    """Mean pay of a MWh called for balancing (EUR/MWh), none beyond the marginal price; nan without any.

    `near` is max upwards, min downwards.
    """
    if not paid:
        return float("nan")
    unit, mw = (np.concatenate(parts) for parts in zip(*paid, strict=True))
    bounded = np.minimum(unit, marginal) if near is max else np.maximum(unit, marginal)
    return float(bounded @ mw / mw.sum())
