"""What it counts not to serve a need and to break a limit: above every price that a market admits.

Balance and limits are soft, so that a market always has an answer. Their penalties are no part of a reported
cost, but what nobody serves has the price of its penalty. They have one common factor:

* 1 while every admitted price stays below 10 000 EUR/MWh in size,
* else what makes the penalty of a MW 2.1 times the largest admitted price: above each bid, and above a bid up
  and a bid down together.

A market breaks a limit rather than relieve it where relief costs more than the penalty. Moving a MW between
two bids costs at most twice the largest admitted price ``P``, so limits are kept wherever bids move them by
at least ``2 P / penalty`` MW a MW: 0.04 for bids of up to 200 EUR/MWh, 0.95 from 10 000 EUR/MWh on. Behind
smaller sensitivities a limit may stay broken though bids could mend it. Between 5 000 and 10 000 EUR/MWh that
is so behind a sensitivity of 1 too: the factor stays 1 there, so that published cases keep their answers.

European balancing platforms admit 99 999 EUR/MWh in size (ACER Decision 01/2020 of 24 January 2020), for a
transitional time until July 2026 15 000 EUR/MWh (ACER Decision 03/2022 of 25 February 2022).
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
    """Penalty of a MWh of need that is not served, in either direction."""
    return UNSERVED_EUR_PER_MWH * _factor.get()


def overload_eur_per_mwh() -> float:
    """Penalty of a MWh beyond the limit of a branch."""
    return OVERLOAD_EUR_PER_MWH * _factor.get()


def voltage_eur_per_h_pu2() -> float:
    """Penalty of a squared voltage beyond its limit, EUR/h per p.u.**2."""
    return VOLTAGE_EUR_PER_H_PU2 * _factor.get()
