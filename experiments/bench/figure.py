"""A result of the bench, and how times are measured."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

REPETITIONS = 5


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One result of the bench. `limit` is its reference, in the same unit, named `against`."""

    name: str
    value: float
    unit: str
    target: float | None
    better: Literal["lower", "higher"]
    limit: float
    against: str

    @property
    def row(self) -> tuple[str, ...]:
        """Cells of the table."""
        sign = "<=" if self.better == "lower" else ">="
        target = "" if self.target is None else f"{sign} {self.target:g} {self.unit}"
        return (
            self.name,
            f"{self.value:.3g} {self.unit}",
            f"{self.limit:.3g} {self.unit} ({self.against})",
            f"{self.value / self.limit:.2f}",
            target,
            self._verdict,
        )

    @property
    def _verdict(self) -> str:
        """Whether the target is met, or by what factor it is missed."""
        if self.target is None:
            return ""
        short = self.value / self.target if self.better == "lower" else self.target / self.value
        return "met" if short <= 1.0 else f"missed {short:.2f}x"

    @property
    def as_dict(self) -> dict[str, Any]:
        """Entry of ``bench.json``."""
        return {key: getattr(self, key) for key in ("name", "value", "unit", "target", "better", "limit")}


def milliseconds(action: Callable[[], Any], repetitions: int = REPETITIONS) -> float:
    """Median time of an action that has been done once before."""
    action()
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        action()
        times.append(1000.0 * (time.perf_counter() - start))
    return statistics.median(times)
