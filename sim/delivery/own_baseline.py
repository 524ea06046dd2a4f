"""Baselines of users: built from the name in a scenario, and checked at every call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from tandem_sim.agents.strategies.allowed_code import BASELINES, AllowedCode, describe, imported
from tandem_sim.grids.errors import BaselineError, InputError
from tandem_sim.grids.types import BoolArray, FloatArray
from tandem_sim.markets.settlement.baselines import METHODS, BaselineMethod
from tandem_sim.markets.settlement.day_matching import DayIndex

FIELD = "settlement.baseline"
Result = TypeVar("Result")


@dataclass
class CheckedBaseline:
    """A baseline of a user for n meters. It gets copies, and its estimates are checked.

    Raises `BaselineError` if it fails, or returns no array of n finite numbers or nan.
    """

    name: str
    n: int
    method: BaselineMethod

    def estimate(self, isp: int, declared_mw: FloatArray) -> FloatArray:
        """Its estimates (n,) MW for an ISP, nan where it has none."""
        given = self._called(isp, lambda: self.method.estimate(isp, declared_mw.copy()))
        try:
            found = np.array(given, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise BaselineError(f"baseline {self.name}, ISP {isp}: returns no numbers") from error
        if found.shape != (self.n,):
            problem = f"returns an array of shape {found.shape}, and there are {self.n} meters"
            raise BaselineError(f"baseline {self.name}, ISP {isp}: {problem}")
        if np.isinf(found).any():
            raise BaselineError(f"baseline {self.name}, ISP {isp}: returns an infinite number")
        return found

    def read(self, isp: int, metered_mw: FloatArray, active: BoolArray) -> None:
        """Give it the readings of an ISP."""
        self._called(isp, lambda: self.method.read(isp, metered_mw.copy(), active.copy()))

    def _called(self, isp: int, call: Callable[[], Result]) -> Result:
        try:
            return call()
        except Exception as error:  # code of users may raise anything
            raise BaselineError(f"baseline {self.name}, ISP {isp}: {describe(error)}") from error


def build_baseline(
    name: str, options: Mapping[str, Any], meters: int, days: DayIndex, allowed: AllowedCode
) -> CheckedBaseline | None:
    """The baseline of a user by its name in a scenario; None for a built-in method.

    Raises `InputError` for code that is not allowed, cannot be imported, does not take its options or lacks a
    method.
    """
    if name in METHODS:
        return None
    kind = imported(name, allowed, FIELD, BASELINES)
    try:
        method = kind(meters=meters, days=days, **options)
    except Exception as error:  # code of users may raise anything
        raise InputError(
            "scenario",
            f"{FIELD}_options",
            f"{name} does not accept them ({describe(error)})",
            "It is called with meters, days and its options as keyword arguments",
        ) from error
    for part in ("estimate", "read"):
        if not callable(getattr(method, part, None)):
            raise InputError(
                "scenario",
                FIELD,
                f"{name} has no method {part}",
                "See tandem_sim.markets.settlement.baselines.BaselineMethod",
            )
    return CheckedBaseline(name, meters, method)
