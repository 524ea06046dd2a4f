"""Baselines: the meter reading without activation, estimated from earlier readings.

Sources: "last quarter-hour" after Elia's study on baseline methodologies of 2021 (not checked against its
text); "High X of Y" see `markets.settlement.day_matching`; "meter before / meter after" in the sense of
NAESB: readings of a period before the activation against those during it; schedule: the declaration of the
provider ahead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from tandem_sim.grids.types import BoolArray, FloatArray
from tandem_sim.markets.settlement.day_matching import DayIndex, DayMatching

Method = Literal["counterfactual", "schedule", "last_isp", "high_x_of_y", "mbma"]
ESTIMATES: tuple[Method, ...] = ("schedule", "last_isp", "high_x_of_y", "mbma")
METHODS: tuple[Method, ...] = ("counterfactual", *ESTIMATES)
"""Built-in methods. ``counterfactual`` is no estimate: it is what is simulated without activation."""


class BaselineMethod(Protocol):
    """A baseline of one's own: a class that is called with `meters` (their number n), `days` and its options.

    `estimate` is called once an ISP, before `read` of that ISP, in the order of ISPs. Power is in MW,
    injection positive. Objects are kept in checkpoints, so they must be picklable.
    """

    def estimate(self, isp: int, declared_mw: FloatArray) -> FloatArray:
        """The reading (n,) of every meter in an ISP if it is not activated, nan where there is no estimate.

        `declared_mw` (n,): what providers declared for the ISP, nan where nothing came.
        """

    def read(self, isp: int, metered_mw: FloatArray, active: BoolArray) -> None:
        """Receive the readings (n,) of an ISP; `active` (n,) marks activated meters."""


@dataclass(frozen=True)
class BaselineRules:
    """Parameters of the estimates: days X of Y, their adjustment to the day, and the window of `mbma`."""

    x: int = 4
    y: int = 5
    adjusted: bool = False
    before_isps: int = 4


@dataclass
class MeterHistory:
    """Readings (MW, injection positive) of n meters, and which of them were free of activation.

    Only free readings show a meter without activation.
    """

    n: int
    days: DayIndex
    rules: BaselineRules
    _recent: FloatArray = field(init=False)  # (before_isps, n) free readings in a row, the latest first
    _was_free: BoolArray = field(init=False)
    _matching: DayMatching = field(init=False)

    def __post_init__(self) -> None:
        self._recent = np.full((max(self.rules.before_isps, 1), self.n), np.nan)
        self._was_free = np.zeros(self.n, dtype=bool)
        rules = self.rules
        self._matching = DayMatching(n=self.n, days=self.days, x=rules.x, y=rules.y, adjusted=rules.adjusted)

    def read(self, isp: int, metered_mw: FloatArray, active: BoolArray) -> None:
        """Enter the readings (n,) of an ISP; `active` (n,) marks activated meters."""
        free = ~active
        shifted = np.vstack([metered_mw, self._recent[:-1]])
        alone = np.full_like(self._recent, np.nan)
        alone[0] = metered_mw
        self._recent = np.where(free, np.where(self._was_free, shifted, alone), self._recent)
        self._was_free = free
        self._matching.read(isp, metered_mw, active)

    def estimates(self, isp: int, declared_mw: FloatArray) -> dict[str, FloatArray]:
        """Every estimate of the baselines in an ISP, (n,) each, nan without data.

        ``last_isp``: the last free reading. ``mbma``: the mean of up to `before_isps` consecutive free
        readings that end with it. ``high_x_of_y``: see `DayMatching.estimate`; the meters are assumed to be
        activated in this ISP. ``schedule``: `declared_mw` (n,).
        """
        known = np.isfinite(self._recent)
        total = np.where(known, self._recent, 0.0).sum(axis=0)
        mean = np.divide(total, known.sum(axis=0), out=np.full(self.n, np.nan), where=known.any(axis=0))
        return {
            "schedule": declared_mw,
            "last_isp": self._recent[0].copy(),
            "high_x_of_y": self._matching.estimate(isp),
            "mbma": mean,
        }
