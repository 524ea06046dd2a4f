"""Prices that a scenario gives, in the place of those that the simulation would find."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.series.profiles import PRICE, Profiles
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.settlement.imbalance import ImbalancePrices
from tandem_sim.sim.inputs.profiles import profile_named
from tandem_sim.sim.scenario.quantities import MOST_EUR_PER_MWH
from tandem_sim.sim.scenario.series_sections import PriceSettings

LEAST_PEAK_EUR_PER_MWH = 1.0
"""Prices that never reach it in size are taken to be EUR/kWh."""


@dataclass(frozen=True)
class GivenPrices:
    """Prices by ISP (T,), EUR/MWh; None where the simulation finds them."""

    day_ahead: FloatArray | None = None
    long: FloatArray | None = None
    short: FloatArray | None = None

    def imbalance(self, isp: int) -> ImbalancePrices | None:
        """Imbalance prices of an ISP, if they are given."""
        if self.long is None or self.short is None:
            return None
        return ImbalancePrices(float(self.long[isp]), float(self.short[isp]))


def given_prices(
    settings: PriceSettings, profiles: Profiles, times: pd.DatetimeIndex, limits: tuple[float, float]
) -> GivenPrices:
    """The prices of a scenario at its ISPs.

    `limits` are the lowest and the highest price of bids: sellers value energy at the day-ahead price, so it
    has to lie within. Raises `InputError`, also for a profile that is no price.
    """

    def series(key: str) -> FloatArray | None:
        name, field = getattr(settings, key), f"prices.{key}"
        if not name:
            return None
        with profile_named(field):
            unit = profiles.unit([name])
            if unit != PRICE:
                raise InputError(
                    "scenario", field, f"{name} is in {unit}", "Give a profile with unit EUR/MWh"
                )
            values: FloatArray = profiles.at([name], times)[:, 0]
        own = profiles.own[name]
        largest = float(np.abs(own.values).max())
        if largest > MOST_EUR_PER_MWH or 0.0 < largest < LEAST_PEAK_EUR_PER_MWH:
            raise InputError(
                "scenario",
                field,
                f"{name} of {own.source} reaches {largest:g} EUR/MWh",
                "Check unit and scale; prices in EUR/kWh need scale: 1000",
            )
        return values

    both = series("imbalance")
    long, short = (both, both) if both is not None else (series("imbalance_long"), series("imbalance_short"))
    day_ahead = series("day_ahead")
    if day_ahead is not None and not (limits[0] <= day_ahead.min() and day_ahead.max() <= limits[1]):
        raise InputError(
            "scenario",
            "prices.day_ahead",
            f"reaches from {day_ahead.min():g} to {day_ahead.max():g} EUR/MWh, and bids may be "
            f"{limits[0]:g} to {limits[1]:g} (product.price_floor_eur_per_mwh, price_cap_eur_per_mwh)",
            "Check its unit, or widen the limits of the product",
        )
    if long is not None and short is not None and (long >= short).all() and (long > short).any():
        raise InputError(
            "scenario",
            "prices.imbalance_long",
            "is never below imbalance_short: a surplus would always be paid more than a deficit pays",
            "Exchange the two",
        )
    return GivenPrices(day_ahead, long, short)
