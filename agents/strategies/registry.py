"""Strategies by name, and strategies of users as ``module:Class``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tandem_sim.agents.strategies.allowed_code import (
    GROUP,
    NO_CODE,
    AllowedCode,
    check_code_name,
    describe,
    imported,
)
from tandem_sim.agents.strategies.best_response import BestResponse
from tandem_sim.agents.strategies.inc_dec import IncDec
from tandem_sim.agents.strategies.learners import Exp3, QLearning, RothErev
from tandem_sim.agents.strategies.strategy import (
    BOOK,
    BaselineInflation,
    FixedMarkup,
    Strategy,
    Truthful,
    Withholding,
    declared_inputs,
)
from tandem_sim.agents.strategies.time_limit import LIMIT_S, within
from tandem_sim.grids.errors import InputError, OverdueError, StrategyError, StrategyLimitError

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
class StrategyInputs:
    """Values for constructor parameters of the same name, and whether books are published."""

    rng: np.random.Generator
    isps_per_day: int
    publishes_books: bool


@dataclass(frozen=True)
class Permission:
    """Permissions of strategies that are not built in: modules to import, and seconds per call."""

    allowed: AllowedCode = NO_CODE
    limit_s: float = LIMIT_S


BUILT_IN_ONLY = Permission()


def build_strategy(
    name: str,
    options: Mapping[str, Any],
    inputs: StrategyInputs,
    where: str,
    seller: str,
    permission: Permission = BUILT_IN_ONLY,
) -> Strategy:
    """The strategy of a seller with its options, `rng` (its own stream) and `isps_per_day` if it takes them.

    A name that is not built in imports a user's class, if that is allowed: its code runs. `where` is the
    field that names it, or the section with ``name`` and ``options``. Raises `InputError` naming the field,
    and `StrategyError` for a constructor that fails.
    """
    named = f"{where}.name" if "." in where else where
    kind = STRATEGIES.get(name) or imported(name, permission.allowed, named)
    if not callable(kind):
        raise InputError("scenario", named, f"{name} is no class", "Name the class of a strategy")
    strategy: Strategy = _made(kind, options, inputs, f"{where}.options", name, seller, permission.limit_s)
    _check(strategy, name, inputs, named)
    return strategy


def is_built_in(strategy: Strategy) -> bool:
    """Whether a strategy is one of Tandem's own, which need no time limit."""
    return type(strategy) in STRATEGIES.values()


def check_name(name: str) -> None:
    """Raise ValueError for a name of no strategy: built in, installed, or ``module:Class``.

    Nothing is imported.
    """
    check_code_name(name, STRATEGIES, "strategy", GROUP)


def _made(
    kind: Callable[..., Any],
    options: Mapping[str, Any],
    inputs: StrategyInputs,
    field: str,
    name: str,
    seller: str,
    limit_s: float,
) -> Any:
    """Call the constructor of a strategy, which may be a user's code."""
    who = f"strategy {name} of {seller}"
    try:
        takes = inspect.signature(kind).parameters
        given = {own: getattr(inputs, own) for own in ("rng", "isps_per_day") if own in takes}
        return within(0.0 if name in STRATEGIES else limit_s, lambda: kind(**{**options, **given}))
    except (TypeError, ValueError) as error:
        raise InputError(
            "scenario", field, f"{name} does not accept them ({error})", "See the strategy's docstring"
        ) from error
    except OverdueError as error:
        raise StrategyLimitError(
            f"{who}: its constructor takes more than {limit_s:g} s. "
            "Raise strategy_limit_s (0: no limit) if it needs more"
        ) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise StrategyError(f"{who}: its constructor fails: {describe(error)}") from error


def _check(strategy: Any, name: str, inputs: StrategyInputs, field: str) -> None:
    """Raise `InputError` for an object that is no strategy, or that needs inputs of no run like this."""
    for method in ("offers", "learn"):
        if not callable(getattr(strategy, method, None)):
            raise InputError(
                "scenario",
                field,
                f"{name} has no method {method}",
                "See tandem_sim.agents.strategies.strategy.Strategy",
            )
    if not isinstance(getattr(strategy, "learns", None), bool):
        raise InputError(
            "scenario",
            field,
            f"{name} does not say whether it learns",
            "Give it an attribute learns, True or False",
        )
    try:
        sees = declared_inputs(strategy, name)
    except StrategyError as error:
        raise InputError("scenario", field, str(error), "Declare in `sees` what is known") from error
    if BOOK in sees and not inputs.publishes_books:
        raise InputError(
            "scenario",
            field,
            f"{name} uses published books, and none are published",
            "Set publishes_books to true",
        )
