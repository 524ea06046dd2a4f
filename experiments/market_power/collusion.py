"""Indicators of collusion of learners: the share of the monopoly profit, and the response to a deviation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tandem_sim.grids.types import FloatArray


def profit_gain(profit: float, competitive: float, monopoly: float) -> float:
    """Profit gain: (profit - competitive) / (monopoly - competitive), all in one unit (EUR).

    0 is the competitive outcome, 1 that of a monopoly (Calvano, Calzolari, Denicolo and Pastorello, AER
    110(10), 2020). It may lie outside. High prices alone do not prove collusion: sellers may be few, pivotal
    or still learning. Evidence is the response to a deviation (`answer_to_deviation`). Raises ValueError if a
    monopoly earns no more than competitors.
    """
    if not monopoly > competitive:
        raise ValueError(f"the profit of a monopoly, {monopoly:g}, does not exceed {competitive:g}")
    return (profit - competitive) / (monopoly - competitive)


@dataclass(frozen=True)
class DeviationResponse:
    """Response of rivals to a deviation: `drop` is the largest fall of their mean price (EUR/MWh, >= 0).

    `returns_after` counts periods from the deviation until the price stays at its level again, None if it
    does not. A fall followed by a return indicates a reward-punishment scheme.
    """

    drop: float
    punishes: bool
    returns_after: int | None

    @property
    def reward_punishment(self) -> bool:
        """Whether rivals lower their prices and raise them again."""
        return self.punishes and self.returns_after is not None


def answer_to_deviation(
    prices: FloatArray, deviator: int, at: int, before: int, tolerance: float
) -> DeviationResponse:
    """Whether the rivals of a seller that was forced to undercut lower their prices, and return.

    Parameters
    ----------
    prices: (periods, sellers) EUR/MWh asked, up bids. Where prices follow the hour of the day, give the
        differences from the run without the deviation, same seed.
    deviator: column of the seller whose price was forced down.
    at: the period of the deviation; rivals can respond only in later periods.
    before: number of periods before it that give the price level of the rivals.
    tolerance: EUR/MWh below that level that count as no change; choose it above the noise of exploration.

    After Calvano et al. (2020), who force one seller to its best response for a period. One response is one
    random draw: repeat it over seeds. Raises ValueError if the series has no such periods or no rivals.
    """
    periods, sellers = prices.shape
    if not (0 < before <= at < periods - 1 and 0 <= deviator < sellers and sellers > 1 and tolerance >= 0):
        raise ValueError(
            f"no deviation of seller {deviator} at {at} with {before} periods before in {prices.shape}"
        )
    rivals = np.delete(prices, deviator, axis=1).mean(axis=1)
    below = float(rivals[at - before : at].mean()) - rivals[at + 1 :]
    drop = max(float(below.max()), 0.0)
    low = np.flatnonzero(below > tolerance)
    if not len(low):
        return DeviationResponse(drop, False, None)
    last = int(low[-1])
    return DeviationResponse(drop, True, last + 2 if last + 1 < len(below) else None)
