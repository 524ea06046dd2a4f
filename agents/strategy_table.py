"""Strategies by name, and those that users bring along as ``module:Class``."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from agents.learners import Exp3, QLearning, RothErev
from agents.strategies import BaselineInflation, FixedMarkup, Strategy, Truthful, Withholding
from grids.errors import InputError

STRATEGIES: dict[str, type[Strategy]] = {
    "truthful": Truthful,
    "fixed-markup": FixedMarkup,
    "withholding": Withholding,
    "baseline-inflation": BaselineInflation,
    "roth-erev": RothErev,
    "q-learning": QLearning,
    "exp3": Exp3,
}


def build_strategy(name: str, options: Mapping[str, Any], rng: np.random.Generator, field: str) -> Strategy:
    """A strategy with its options; one that takes an `rng` is handed the aggregator's own stream.

    A name ``module:Class`` imports a user's class: its code runs. Raises `InputError`, naming `field`.
    """
    kind = STRATEGIES.get(name) or _imported(name, field)
    given = dict(options)
    if "rng" in inspect.signature(kind).parameters:
        given["rng"] = rng
    try:
        strategy = kind(**given)
    except (TypeError, ValueError) as error:
        raise InputError(
            "scenario", f"{field}.options", f"{name} refuses them ({error})", "See the strategy's docstring"
        ) from error
    for method in ("offers", "learn"):
        if not callable(getattr(strategy, method, None)):
            raise InputError(
                "scenario",
                f"{field}.name",
                f"{name} has no method {method}",
                "See agents.strategies.Strategy",
            )
    return strategy


def _imported(name: str, field: str) -> type[Strategy]:
    module, _, attribute = name.partition(":")
    try:
        found: type[Strategy] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            "scenario", f"{field}.name", f"{name} cannot be imported ({error})",
            f"Use module:Class of an installed module, or one of {', '.join(STRATEGIES)}",
        ) from error  # fmt: skip
    return found
