"""Marginal values at an auction's optimum: the price of its balance and the value of its limits.

**The price.** Let :math:`C(d)` be the least cost of serving a need :math:`d` (MW of injection), with unserved
need and violated limits at their penalties. It is convex and piecewise linear, and the duals of the balance
are its slopes at :math:`d`: all of :math:`[C'(d-), C'(d+)]`, which is one number except where the need falls
exactly between two segments. The price is the fall of the least cost if the need were marginally smaller in
size:

* need upwards: :math:`C'(d-)`; need downwards: :math:`C'(d+)`. Without binding limits it is the price of
  the last unit called. *Proof:* take one MW less of the need. The cheapest way is to give back the most
  expensive MW called (or to call a bid of the other direction that costs less than that MW, if there is one:
  then that bid sets the price). By complementary slackness the dual is at least the price of every up bid
  that is called and at most that of every one that is not wholly called; the slope to the left is the least
  dual, so it is the most expensive MW called. Downwards likewise.
* no need, or both directions called: the middle of the interval. If it is unbounded on one side (no need may
  be left unserved), its finite end; if on both, zero.

**Value of limits.** The duals of the limits are those at that price. Where a limit is exactly full and
several duals are valid, those with the least sum count, each as a share of its penalty: a limit whose
relaxation would not lower the cost has no value.

Everything here is computed from an optimum and its costs, whichever method found it (merit-order clearing,
linprog, HiGHS), so the result is the same. The steps that break ties have no effect on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from tandem_sim.grids.errors import ClearingError
from tandem_sim.grids.tolerances import AT_LIMIT_MW_OR_PU2, BEYOND_LIMIT_MW_OR_PU2, NEGLIGIBLE_MW
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray
from tandem_sim.markets.clearing.constraints import AuctionConstraints
from tandem_sim.markets.clearing.solvers import solve

NO_DUALS = (
    "the result of the solver has no valid prices, so it is no optimum: sensitivities, limits or prices "
    "differ too much in size"
)


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """An optimum of an auction, and the auction. n columns; `rows` may omit constraints that cannot bind."""

    quantity_mw: FloatArray  # (n,)
    cost: FloatArray  # (n,) EUR/MWh, sign rule applied
    nudged: FloatArray  # (n,) the same with ties broken, which this optimum minimises
    available: FloatArray  # (n,) MW
    sign: FloatArray | None  # (n,) effect on the balance; None without one
    need_mw: float
    imbalance_price: float
    imbalance_bound_mw: float
    rows: Sequence[AuctionConstraints]
    short_mw: float = 0.0
    long_mw: float = 0.0
    choices: Sequence[IntArray] = ()  # groups of columns of which one was chosen whole; they set no price
    wanted_mw: float | None = None  # the need, if the problem counts it from another state

    @cached_property
    def free(self) -> BoolArray:
        """Columns (n,) that are in no choice."""
        found = np.ones(len(self.cost), dtype=bool)
        for group in self.choices:
            found[group] = False
        return found

    @cached_property
    def price_interval(self) -> tuple[float, float]:
        """Least and largest valid price of the balance, EUR/MWh; ends may be infinite."""
        return self._sides.interval()

    @cached_property
    def price_eur_per_mwh(self) -> float:
        """The price of the balance by the rule above; nan without one."""
        if self.sign is None:
            return float("nan")
        low, high = self.price_interval
        need = self.need_mw if self.wanted_mw is None else self.wanted_mw
        if not self._both_called and abs(need) > NEGLIGIBLE_MW:
            end = low if need > 0.0 else high
            if np.isfinite(end):
                return end
        finite = [end for end in (low, high) if np.isfinite(end)]
        return sum(finite) / len(finite) if finite else 0.0

    @property
    def limits_bind(self) -> bool:
        """Whether the optimum is at or beyond any limit."""
        return bool(self._sides.owner)

    @property
    def voltages_bind(self) -> bool:
        """Whether the optimum is at or beyond a voltage limit."""
        return any(self._sides.of_voltage)

    @property
    def _both_called(self) -> bool:
        called = self.quantity_mw > NEGLIGIBLE_MW
        sign = self.sign if self.sign is not None else np.zeros(len(called))
        return bool((called & (sign > 0.0)).any() and (called & (sign < 0.0)).any())

    @cached_property
    def value_eur_per_mwh(self) -> FloatArray:
        """Value of a MW of each column (n,) for balance and limits together."""
        balance = np.zeros(len(self.cost)) if self.sign is None else self.sign * self.price_eur_per_mwh
        sides = self._sides
        return np.asarray(balance - sides.effect.T @ self._duals)

    @cached_property
    def limits_eur_per_h(self) -> dict[str, float]:
        """Value of the quantities for the limits of each owner: sum of duals times effects."""
        worth = {part.owner: 0.0 for part in self.rows}
        each = -self._duals * (self._sides.effect @ self.quantity_mw)
        for owner, amount in zip(self._sides.owner, each.tolist(), strict=True):
            worth[owner] += amount
        return worth

    @cached_property
    def _duals(self) -> FloatArray:
        price = None if self.sign is None else self.price_eur_per_mwh
        return self._sides.least_duals(price)

    @cached_property
    def _sides(self) -> _Sides:
        return _Sides.of(self)


@dataclass(frozen=True, kw_only=True)
class _Sides:
    """Sides of limits at or beyond which an optimum is, k of them, and their valid duals.

    A dual is the fall of the least cost per unit by which the side is relaxed. `effect` (k, n) is the effect
    of a MW of each column towards the side; duals lie in ``least..most`` (k,).
    """

    at: Optimum
    effect: FloatArray
    least: FloatArray
    most: FloatArray
    weight: FloatArray  # (k,) weight of a dual in their sum
    owner: list[str]
    of_voltage: list[bool]

    @classmethod
    def of(cls, at: Optimum) -> _Sides:
        effects = [np.empty((0, len(at.cost)))]
        least: list[float] = []
        most: list[float] = []
        owner: list[str] = []
        of_voltage: list[bool] = []
        for part in at.rows:
            state = part.base + part.matrix @ at.quantity_mw
            for side, over in ((1.0, state - part.high), (-1.0, part.low - state)):
                on = np.flatnonzero(over >= -AT_LIMIT_MW_OR_PU2)
                effects.append(side * part.matrix[on])
                beyond = over[on] > BEYOND_LIMIT_MW_OR_PU2
                least.extend(np.where(beyond & np.isfinite(part.penalty), part.penalty, 0.0).tolist())
                most.extend([part.penalty] * len(on))
                owner.extend([part.owner] * len(on))
                of_voltage.extend([part.of_voltage] * len(on))
        top = np.array(most)
        weight = np.where(np.isfinite(top) & (top > 0.0), 1.0 / np.where(top > 0.0, top, 1.0), 1.0)
        return cls(
            at=at,
            effect=np.vstack(effects),
            least=np.array(least),
            most=top,
            weight=weight,
            owner=owner,
            of_voltage=of_voltage,
        )

    def interval(self) -> tuple[float, float]:
        """Least and largest price of the balance for which valid duals exist."""
        if not len(self.owner):
            return self._plain_interval(self.at.cost)
        for cost in (self.at.cost, self.at.nudged):
            ends = [self._solved(cost, sign, None) for sign in (1.0, -1.0)]
            found = [None if end is None else float(end[0]) for end in ends]
            if found[0] is not None and found[1] is not None:
                return found[0], found[1]
        raise ClearingError(NO_DUALS)

    def least_duals(self, price: float | None) -> FloatArray:
        """The duals (k,) of the least weighted sum at a price of the balance."""
        if not len(self.owner):
            return np.empty(0)
        for cost in (self.at.cost, self.at.nudged):
            found = self._solved(cost, 0.0, price)
            if found is not None:
                return found[1:] if self.at.sign is not None else found
        raise ClearingError(NO_DUALS)

    def _plain_interval(self, cost: FloatArray) -> tuple[float, float]:
        """Without limits: between what is called and what is not, with imbalance as two more bids."""
        at = self.at
        assert at.sign is not None
        bound = at.imbalance_bound_mw
        sign = np.concatenate([at.sign, [1.0, -1.0]])
        price = sign * np.concatenate([cost, np.full(2, at.imbalance_price)])
        x = np.concatenate([at.quantity_mw, [at.short_mw, at.long_mw]])
        most = np.concatenate([at.available, np.full(2, bound)])
        some, left = x > NEGLIGIBLE_MW, x < most - NEGLIGIBLE_MW
        free = np.concatenate([at.free, [True, True]])
        some, left = some & free, left & free
        up = sign > 0.0
        low = price[(up & some) | (~up & left)].max(initial=-np.inf)
        high = price[(up & left) | (~up & some)].min(initial=np.inf)
        return float(low), float(high)

    def _solved(self, cost: FloatArray, towards: float, price: float | None) -> FloatArray | None:
        """Valid duals: that of the balance first (if there is one), then those of the sides (k,).

        `towards` 1 gives the least price, -1 the largest, 0 the least sum of duals at `price`. None where no
        duals are valid. An unbounded price is infinite.
        """
        at = self.at
        balance = at.sign is not None
        x, most = at.quantity_mw, at.available
        some, left = x > NEGLIGIBLE_MW, x < most - NEGLIGIBLE_MW
        some, left = some & at.free, left & at.free
        columns = -self.effect.T
        if at.sign is not None:
            columns = np.column_stack([at.sign, columns])
        # The value of a column is at most its cost where more is available, at least where some is taken.
        a_ub = np.vstack([columns[left], -columns[some]])
        b_ub = np.concatenate([cost[left], -cost[some]])
        lower, upper = self.least, self.most
        if balance:
            low, high = self._imbalance_bounds() if price is None else (price, price)
            lower, upper = np.append(low, lower), np.append(high, upper)
        aim = np.append([towards] if balance else [], np.where(towards == 0.0, self.weight, 0.0))
        found = solve(aim, None if not len(a_ub) else sparse.csr_array(a_ub), b_ub, None, None, lower, upper)
        if found.status == 3:  # unbounded
            return np.append(-towards * np.inf, self.least)
        return found.x if found.status == 0 else None

    def _imbalance_bounds(self) -> tuple[float, float]:
        """Bounds on the price of the balance from imbalance, which counts as two more bids."""
        at, low, high = self.at, -np.inf, np.inf
        most = at.imbalance_bound_mw - NEGLIGIBLE_MW
        if at.short_mw < most:
            high = at.imbalance_price
        if at.short_mw > NEGLIGIBLE_MW:
            low = at.imbalance_price
        if at.long_mw < most:
            low = max(low, -at.imbalance_price)
        if at.long_mw > NEGLIGIBLE_MW:
            high = min(high, -at.imbalance_price)
        return low, high
