"""Strategies by name, and those that users bring along as ``module:Class``."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tandem_sim.agents.best_response import BestResponse
from tandem_sim.agents.errors import StrategyError
from tandem_sim.agents.inc_dec import IncDec
from tandem_sim.agents.learners import Exp3, QLearning, RothErev
from tandem_sim.agents.strategies import (
    BOOK,
    BaselineInflation,
    FixedMarkup,
    Strategy,
    Truthful,
    Withholding,
    sights_of,
)
from tandem_sim.grids.errors import InputError

STRATEGIES: dict[str, type[Strategy]] = {
    "truthful": Truthful,
    "fixed-markup": FixedMarkup,
    "withholding": Withholding,
    "baseline-inflation": BaselineInflation,
    "roth-erev": RothErev,
    "q-learning": QLearning,
    "exp3": Exp3,
    "best-response": BestResponse,
    "inc-dec": IncDec,
}


@dataclass(frozen=True)
class Surroundings:
    """What the world hands a strategy whose constructor asks for it by name, and what it publishes."""

    rng: np.random.Generator
    isps_per_day: int
    publishes_books: bool


def build_strategy(name: str, options: Mapping[str, Any], world: Surroundings, field: str) -> Strategy:
    """A strategy with its options, `rng` (the seller's own stream) and `isps_per_day` if it takes them.

    A name ``module:Class`` imports a user's class: its code runs. Raises `InputError`, naming `field`.
    """
    kind = STRATEGIES.get(name) or _imported(name, field)
    given = dict(options)
    for own in ("rng", "isps_per_day"):
        if own in inspect.signature(kind).parameters:
            given[own] = getattr(world, own)
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
                "See tandem_sim.agents.strategies.Strategy",
            )
    if not isinstance(getattr(strategy, "learns", None), bool):
        raise InputError(
            "scenario", f"{field}.name", f"{name} does not say whether it learns",
            "Give it an attribute learns, True or False",
        )  # fmt: skip
    try:
        sees = sights_of(strategy, name)
    except StrategyError as error:
        raise InputError(
            "scenario", f"{field}.name", str(error), "Declare in `sees` what is known"
        ) from error
    if BOOK in sees and not world.publishes_books:
        raise InputError(
            "scenario", f"{field}.name", f"{name} looks at published books, and none are published",
            "Set publishes_books to true",
        )  # fmt: skip
    return strategy


def _imported(name: str, field: str) -> type[Strategy]:
    module, _, attribute = name.partition(":")
    try:
        found: type[Strategy] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            "scenario", f"{field}.name", f"{name} cannot be imported ({error})",
            f"Use module:Class, installed or on PYTHONPATH, or one of {', '.join(STRATEGIES)}",
        ) from error  # fmt: skip
    return found
