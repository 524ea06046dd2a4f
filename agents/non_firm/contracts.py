"""Non-firm connection agreements: guaranteed capacities, and how often contracts may be activated.

Source: ALEXANDER D3.3, 3.5.1 (permanent or temporary, limited in number and duration, static or dynamic).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tandem_sim.grids.errors import ContractError
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray

LimitKind = Literal["static", "dynamic"]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Terms of an agreement besides capacities.

    permanent: limits always hold; otherwise they hold when activated, at most `activations_per_year` times
    (consecutive ISPs are one activation), each at most `hours_each` long, announced `notice_minutes` before
    delivery. None: no such restriction. limits: ``static`` at the guaranteed capacity, or ``dynamic``, set
    per ISP and no lower than that. compensation_eur_per_mwh is paid for energy withheld, except for PV energy
    within `free_share` of a year's generation.
    """

    permanent: bool = False
    activations_per_year: int | None = None
    hours_each: float | None = None
    notice_minutes: float = 0.0
    limits: LimitKind = "static"
    compensation_eur_per_mwh: float = 0.0
    free_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Contracts:
    """C connections, arrays (C,); `held` marks those with an agreement, the others are firm.

    Capacities in kW; `most` (activations a year) and `longest` (ISPs) are inf without such a restriction.
    Raises ValueError where the guaranteed capacity exceeds the connection capacity or is negative.
    """

    names: tuple[str, ...]
    held: BoolArray
    connection_kw: FloatArray
    import_kw: FloatArray  # guaranteed
    export_kw: FloatArray
    permanent: BoolArray
    dynamic: BoolArray
    most: FloatArray
    longest: FloatArray
    notice_s: FloatArray
    compensation_eur_per_mwh: FloatArray
    free_share: FloatArray

    def __post_init__(self) -> None:
        for side, kw in (("import", self.import_kw), ("export", self.export_kw)):
            over = np.flatnonzero(self.held & (kw > self.connection_kw + 1e-9))
            if len(over):
                k = int(over[0])
                raise ValueError(
                    f"{self.names[k]} is guaranteed {kw[k]:g} kW of {side}, more than its connection of "
                    f"{self.connection_kw[k]:g} kW"
                )
            if (kw < 0.0).any():
                raise ValueError(f"{self.names[int(np.argmin(kw))]} is guaranteed less than 0 kW of {side}")

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        held: BoolArray,
        connection_kw: FloatArray,
        import_kw: FloatArray,
        export_kw: FloatArray,
        terms: Terms,
        isp_hours: float,
    ) -> Contracts:
        """Connections that share the same terms."""
        n = len(names)
        most = np.inf if terms.activations_per_year is None else float(terms.activations_per_year)
        longest = np.inf if terms.hours_each is None else float(np.floor(terms.hours_each / isp_hours + 1e-9))
        return cls(
            names=tuple(names),
            held=held,
            connection_kw=connection_kw,
            import_kw=import_kw,
            export_kw=export_kw,
            permanent=np.full(n, terms.permanent),
            dynamic=np.full(n, terms.limits == "dynamic"),
            most=np.full(n, most),
            longest=np.full(n, longest),
            notice_s=np.full(n, 60.0 * terms.notice_minutes),
            compensation_eur_per_mwh=np.full(n, terms.compensation_eur_per_mwh),
            free_share=np.full(n, terms.free_share),
        )

    @classmethod
    def join(cls, parts: Sequence[Contracts]) -> Contracts:
        """Connections of several low-voltage feeders, in their order."""
        names = tuple(name for part in parts for name in part.names)
        fields = [f for f in cls.__dataclass_fields__ if f != "names"]
        return cls(names=names, **{f: np.concatenate([getattr(p, f) for p in parts]) for f in fields})

    def __len__(self) -> int:
        """Return the number of connections."""
        return len(self.names)


class ContractBook:
    """Activations of contracts so far, by ISP; refuses activations that a contract does not allow."""

    def __init__(self, contracts: Contracts, year_of: IntArray) -> None:
        """`year_of` (T,) is the calendar year of every ISP."""
        self.contracts = contracts
        self._year = year_of - year_of.min(initial=int(year_of[0]) if len(year_of) else 0)
        years = int(self._year.max(initial=0)) + 1
        self._active = np.zeros((len(year_of) + 2, len(contracts)), dtype=bool)  # an empty ISP at either end
        self._runs = np.zeros((years, len(contracts)), dtype=np.int64)

    def active(self, isp: int) -> BoolArray:
        """Contracts activated for an ISP, (C,)."""
        return np.array(self._active[isp + 1])

    def runs(self, isp: int) -> IntArray:
        """Activations of every contract so far in the year of an ISP, (C,)."""
        return np.asarray(self._runs[self._year[isp]].copy())

    def may(self, isp: int, lead_s: float) -> BoolArray:
        """Contracts (C,) that may be activated for an ISP `lead_s` seconds before it begins."""
        c = self.contracts
        before, after = self._length(isp, -1), self._length(isp, 1)
        runs = self._runs[self._year[isp]] + (before == 0)
        if isp + 1 < len(self._year) and self._year[isp + 1] == self._year[isp]:
            runs = runs - (after > 0)
        free = c.held & ~c.permanent & ~self._active[isp + 1] & (lead_s >= c.notice_s)
        return np.asarray(free & (before + after + 1 <= c.longest) & (runs <= c.most))

    def activate(self, isp: int, who: IntArray, lead_s: float) -> None:
        """Book activations of contracts `who` (n,). Raises `ContractError` if a contract forbids it."""
        again = who[self._active[isp + 1][who]]
        if len(again):
            raise ContractError(f"ISP {isp}: {self.contracts.names[int(again[0])]} is activated twice")
        refused = who[~self.may(isp, lead_s)[who]]
        if len(refused):
            name = self.contracts.names[int(refused[0])]
            raise ContractError(
                f"ISP {isp}: {name} is activated more often, longer or later than its contract allows"
            )
        before, after = self._length(isp, -1)[who] > 0, self._length(isp, 1)[who] > 0
        self._runs[self._year[isp], who] += ~before  # an activation counts in the year it begins in
        if after.any():
            self._runs[self._year[isp + 1], who] -= after
        self._active[isp + 1, who] = True

    def _length(self, isp: int, step: int) -> IntArray:
        """Number of consecutive active ISPs right before (-1) or after (1) an ISP, (C,)."""
        length = np.zeros(len(self.contracts), dtype=np.int64)
        at, on = isp + 1 + step, np.ones(len(self.contracts), dtype=bool)
        while 0 <= at < len(self._active):
            on = on & self._active[at]
            if not on.any():
                break
            length += on
            at += step
        return length
