"""The flexibility register: qualified units and groups with expiry, and what is already offered for an ISP.

Source: prequalification as proposed for the Netherlands (the TSO passes assets in distribution to their DSO,
which tests them). Two kinds of prequalification, of the grid and of the product, and bids unique among
markets, as in demonstrations of OneNet (there both kinds mostly for units and groups; here the grid is tested
for units, the product for groups). A stricter qualification implies the looser one, as CoordiNet recommends.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.orders.bids import UP, Bids
from tandem_sim.markets.orders.products import Service, implied_by, implying

SOLD_TWICE = "offered already in another book"
"""Reason for refusing a second sale of the same resource."""


@dataclass(frozen=True, kw_only=True)
class RegisteredUnit:
    """A service providing unit. The ids of its bids contain its name, see `unit_of`."""

    name: str
    system: str
    node: int
    up_mw: float
    down_mw: float


def unit_of(bid_id: str) -> str:
    """The unit of a bid, whose id is ``<unit>.up`` or ``<unit>.down``, perhaps with ``.<step>``."""
    found = re.fullmatch(r"(.+)\.(?:up|down)(?:\.\d+)?", bid_id)
    return found[1] if found else bid_id


@dataclass
class FlexibilityRegister:
    """Qualifications of units (MW that their grid operator permits) and of groups (services).

    Times are seconds since the start of the scenario.
    """

    _units: dict[str, dict[str, RegisteredUnit]] = field(
        default_factory=dict
    )  # provider -> unit -> qualified MW
    _fast_mw: dict[str, tuple[float, float]] = field(default_factory=dict)  # unit -> MW up, down for aFRR
    _granted: dict[str, dict[Service, int]] = field(default_factory=dict)  # provider -> service -> until
    _claims: dict[int, dict[tuple[str, int], float]] = field(default_factory=dict)  # ISP -> MW offered

    def enter(
        self,
        provider: str,
        units: Sequence[RegisteredUnit],
        fast_mw: Sequence[tuple[float, float]],
        until_s: int,
        services: Sequence[Service],
    ) -> None:
        """Enter tested units, and services for which their group is qualified; looser ones are implied.

        `fast_mw` is what each unit can change, up and down, within the full activation time of aFRR.
        """
        known = self._units.setdefault(provider, {})
        for unit, fast in zip(units, fast_mw, strict=True):
            known[unit.name] = unit
            self._fast_mw[unit.name] = fast
        granted = self._granted.setdefault(provider, {})
        for service in services:
            for looser in implied_by(service):
                granted[looser] = max(granted.get(looser, until_s), until_s)

    def remove(self, provider: str, units: Sequence[str]) -> None:
        """Remove units from the register, if they are in it."""
        for name in units:
            if self._units.get(provider, {}).pop(name, None) is not None:
                self._fast_mw.pop(name, None)

    def release(self, isp: int, bids: Bids) -> None:
        """Release the claims of bids for an ISP, because they did not enter a book."""
        claims = self._claims.get(isp, {})
        rows = zip(bids.bid_id.tolist(), bids.direction.tolist(), bids.quantity_mw.tolist(), strict=True)
        for bid, direction, mw in rows:
            key = unit_of(bid), direction
            if key in claims:
                claims[key] -= mw

    def withdraw(self, provider: str, service: Service) -> tuple[Service, ...]:
        """Withdraw a qualification and those that rest on it; returns the services lost."""
        granted = self._granted.get(provider, {})
        lost = tuple(s for s in implying(service) if granted.pop(s, None) is not None)
        return lost

    def qualified(self, provider: str, service: Service, now_s: int) -> bool:
        """Whether a group may sell a service now."""
        until = self.expires_s(provider, service)
        return until is not None and until > now_s

    def expires_s(self, provider: str, service: Service) -> int | None:
        """When a group's qualification ends; None if it has none."""
        return self._granted.get(provider, {}).get(service)

    def units(self, provider: str) -> dict[str, RegisteredUnit]:
        """Qualified units of a provider by name."""
        return self._units.get(provider, {})

    def pool_mw(self, provider: str, direction: int, service: Service, system: str | None = None) -> float:
        """MW of all qualified units of a provider, in one system or in all."""
        units = [u for u in self.units(provider).values() if system in (None, u.system)]
        if service == "aFRR":
            return sum(self._fast_mw[u.name][0 if direction == UP else 1] for u in units)
        return sum(u.up_mw if direction == UP else u.down_mw for u in units)

    def within_fast_mw(self, bids: Bids, left_mw: FloatArray, now_s: int) -> FloatArray:
        """MW of each bid (n,) that may be called as aFRR: within its unit, from a qualified group."""
        qualified = {p: self.qualified(p, "aFRR", now_s) for p in bids.places}
        spare: dict[tuple[str, int], float] = {}
        limited = np.zeros(len(bids))
        rows = zip(bids.bid_id.tolist(), bids.provider.tolist(), bids.direction.tolist(), strict=True)
        for k, (bid, provider, direction) in enumerate(rows):
            if qualified[provider] and left_mw[k] > 0:
                key = unit_of(bid), direction
                if key not in spare:
                    spare[key] = self._fast_mw.get(key[0], (0.0, 0.0))[0 if direction == UP else 1]
                limited[k] = min(left_mw[k], spare[key])
                spare[key] -= limited[k]
        return limited

    def reasons(self, isp: int, bids: Bids, service: Service, now_s: int) -> list[str]:
        """Why each bid may not enter a book (n,), empty where it may; accepted MW are claimed for the ISP."""
        found: list[str] = []
        claims = self._claims.setdefault(isp, {})
        qualified = {p: self.qualified(p, service, now_s) for p in bids.places}
        rows = zip(
            bids.bid_id.tolist(),
            bids.provider.tolist(),
            bids.direction.tolist(),
            bids.quantity_mw.tolist(),
            bids.demand.tolist(),
            strict=True,
        )
        for bid, provider, direction, mw, demand in rows:
            if demand:
                found.append("")
                continue
            if not qualified[provider]:
                found.append(f"{provider} is not qualified for {service}")
                continue
            unit = self.units(provider).get(unit_of(bid))
            if unit is None:
                found.append(f"the unit is not in the flexibility register for {provider}")
                continue
            limit = unit.up_mw if direction == UP else unit.down_mw
            claimed = claims.get((unit.name, direction), 0.0)
            if mw > limit * (1.0 + 1e-9) + NEGLIGIBLE_MW:
                found.append(f"{mw:g} MW is more than the {limit:g} MW the unit is qualified for")
            elif claimed + mw > limit * (1.0 + 1e-9) + NEGLIGIBLE_MW:
                found.append(SOLD_TWICE)
            else:
                claims[unit.name, direction] = claimed + mw
                found.append("")
        return found

    def forget(self, isp: int) -> None:
        """Drop the claims of a settled ISP."""
        self._claims.pop(isp, None)
