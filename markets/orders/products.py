"""Products, and the rules that bids must fulfil."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tandem_sim.grids.types import BoolArray, FloatArray
from tandem_sim.markets.orders.bids import Bids

Service = Literal["aFRR", "mFRR", "LFM"]


@dataclass(frozen=True, kw_only=True)
class Product:
    """Rules of one product of one ISP, both directions: energy, or reactive power (then all in Mvar).

    A bid that breaks a rule is rejected with the reason (`Product.reasons`). `pool_minimum_mw` is the minimum
    sum of all bids of one provider and direction in one system: small resources reach it by pooling.
    """

    name: str
    min_quantity_mw: float = 0.0
    tick_mw: float = 0.0
    price_floor_eur_per_mwh: float = -9999.0
    price_cap_eur_per_mwh: float = 9999.0
    pool_minimum_mw: float = 0.0
    unit: Literal["MW", "Mvar"] = "MW"

    def reasons(self, bids: Bids) -> list[str]:
        """Why each bid is rejected (n,), an empty string for an accepted one."""
        both = zip(self.quantity_reasons(bids.quantity_mw), self.price_reasons(bids.price), strict=True)
        return [quantity or price for quantity, price in both]

    def quantity_reasons(self, quantity_mw: FloatArray) -> list[str]:
        """Which rule each quantity (n,) breaks, an empty string for none."""
        steps = quantity_mw / self.tick_mw if self.tick_mw else np.zeros(len(quantity_mw))
        return _first_of(
            (
                ~np.isfinite(quantity_mw) | (quantity_mw <= 0),
                f"quantity must be a positive number of {self.unit}",
            ),
            (
                quantity_mw < self.min_quantity_mw - 1e-12,
                f"quantity is below the minimum of {self.min_quantity_mw} {self.unit}",
            ),
            (
                np.abs(steps - np.round(steps)) > 1e-6,
                f"quantity is not a multiple of the tick of {self.tick_mw} {self.unit}",
            ),
        )

    def price_reasons(self, price: FloatArray) -> list[str]:
        """Which rule each price (n,) breaks, an empty string for none."""
        return _first_of(
            (~np.isfinite(price), "price is not a number"),
            (
                price < self.price_floor_eur_per_mwh,
                f"price is below the floor of {self.price_floor_eur_per_mwh} EUR/{self.unit}h",
            ),
            (
                price > self.price_cap_eur_per_mwh,
                f"price is above the cap of {self.price_cap_eur_per_mwh} EUR/{self.unit}h",
            ),
        )


def _first_of(*checks: tuple[BoolArray, str]) -> list[str]:
    """The reason of the first check that each of n values fails, empty if it fails none."""
    reasons = [""] * len(checks[0][0])
    for broken, reason in checks:
        if broken.any():
            for k in np.flatnonzero(broken):
                reasons[k] = reasons[k] or reason
    return reasons


@dataclass(frozen=True)
class Requirements:
    """Technical requirements on an asset for selling a service."""

    service: Service
    full_activation_s: float  # from activation to full power
    telemetry_s: float  # interval of power measurements

    def implies(self, other: Requirements) -> bool:
        """Whether an asset that fulfils these requirements also fulfils the `other` ones."""
        return self.full_activation_s <= other.full_activation_s and self.telemetry_s <= other.telemetry_s


REQUIREMENTS: dict[Service, Requirements] = {
    "aFRR": Requirements("aFRR", 300.0, 4.0),
    "mFRR": Requirements("mFRR", 750.0, 900.0),
    "LFM": Requirements("LFM", 900.0, 900.0),
}
"""The standard European reserve products, and local flexibility delivered per ISP."""


def implied_by(service: Service) -> tuple[Service, ...]:
    """Services that a qualification for `service` permits, itself first."""
    own = REQUIREMENTS[service]
    return service, *(s for s, r in REQUIREMENTS.items() if s != service and own.implies(r))


def implying(service: Service) -> tuple[Service, ...]:
    """Services whose qualification rests on that for `service`, itself first."""
    own = REQUIREMENTS[service]
    return service, *(s for s, r in REQUIREMENTS.items() if s != service and r.implies(own))
