"""Penalties of unserved needs and violated limits: above every price that a market admits.

Balance and limits are soft, so a market always has a solution. Their penalties are not part of a reported
cost, but unserved need has the price of its penalty. They have one common factor:

* 1 while every admitted price stays below 10 000 EUR/MWh in size,
* else the factor with which the penalty of a MW is 2.1 times the largest admitted price: above each bid, and
  above an up bid and a down bid together.

A market violates a limit where relief costs more than the penalty. Moving a MW between two bids costs at most
twice the largest admitted price ``P``. So limits are kept wherever bids have an effect of at least ``2 P /
penalty`` MW per MW: 0.04 for bids of up to 200 EUR/MWh, 0.95 from 10 000 EUR/MWh on. With smaller
sensitivities a limit may stay violated although bids could relieve it. Between 5 000 and 10 000 EUR/MWh this
also holds for a sensitivity of 1: the factor stays 1 there, so that published cases keep their results.

European balancing platforms admit 99 999 EUR/MWh in size (ACER Decision 01/2020 of 24 January 2020), and
during a transitional period until July 2026 15 000 EUR/MWh (ACER Decision 03/2022 of 25 February 2022).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from tandem_sim.grids.types import FloatArray

UNSERVED_EUR_PER_MWH = 10_000.0
OVERLOAD_EUR_PER_MWH = 10_000.0
VOLTAGE_EUR_PER_H_PU2 = 1e6
"""Penalties with the factor 1."""
ADMITTED_EUR_PER_MWH = 10_000.0
"""Prices below this in size need no larger penalties."""
PENALTY_RATIO = 2.1

_factor: ContextVar[float] = ContextVar("factor of penalties", default=1.0)


def factor_of(price_eur_per_mwh: float) -> float:
    """The common factor where prices up to this size are admitted.

    >>> factor_of(9999.0), factor_of(12_000.0)
    (1.0, 2.52)
    """
    size = abs(price_eur_per_mwh)
    return 1.0 if size < ADMITTED_EUR_PER_MWH else PENALTY_RATIO * size / UNSERVED_EUR_PER_MWH


def largest(prices: Iterable[FloatArray | float]) -> float:
    """The largest price in size (EUR/MWh) of books and limits; 0 without any."""
    return max((float(np.max(np.abs(price), initial=0.0)) for price in prices), default=0.0)


@contextmanager
def admitting(price_eur_per_mwh: float) -> Iterator[None]:
    """Within this context markets admit prices up to this size."""
    token = _factor.set(factor_of(price_eur_per_mwh))
    try:
        yield
    finally:
        _factor.reset(token)


def unserved_eur_per_mwh() -> float:
    """Penalty of a MWh of unserved need, in either direction."""
    return UNSERVED_EUR_PER_MWH * _factor.get()


def overload_eur_per_mwh() -> float:
    """Penalty of a MWh beyond the limit of a branch."""
    return OVERLOAD_EUR_PER_MWH * _factor.get()


def voltage_eur_per_h_pu2() -> float:
    """Penalty of a squared voltage beyond its limit, EUR/h per p.u.**2."""
    return VOLTAGE_EUR_PER_H_PU2 * _factor.get()
