"""Strategies by name, and those that users bring along as ``module:Class``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tandem_sim.agents.strategies.allowed_code import (
    NO_CODE,
    AllowedCode,
    imported,
    installed,
    is_class_name,
    module_of,
    told,
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
    sights_of,
)
from tandem_sim.agents.strategies.time_limit import LIMIT_S, within
from tandem_sim.grids.documents.text import hint
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
    """What the world hands a strategy whose constructor asks for it by name, and what it publishes."""

    rng: np.random.Generator
    isps_per_day: int
    publishes_books: bool


@dataclass(frozen=True)
class Permission:
    """What a run lets strategies do that are not built in: be imported, and take so many seconds a call."""

    allowed: AllowedCode = NO_CODE
    limit_s: float = LIMIT_S


BUILT_IN_ONLY = Permission()


def build_strategy(
    name: str,
    options: Mapping[str, Any],
    world: StrategyInputs,
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
    strategy: Strategy = _made(kind, options, world, f"{where}.options", name, seller, permission.limit_s)
    _check(strategy, name, world, named)
    return strategy


def is_built_in(strategy: Strategy) -> bool:
    """Whether a strategy is one of Tandem's own, which need no watching."""
    return type(strategy) in STRATEGIES.values()


def check_name(name: str) -> None:
    """Raise ValueError for what names no strategy: built in, installed, or ``module:Class``.

    Nothing is imported.
    """
    module, _, attribute = name.partition(":")
    if module.endswith(".py") or "/" in module:
        stem = module.rpartition("/")[2].removesuffix(".py")
        raise ValueError(
            f"{name} is a file. Name its module and class, such as {stem}:{attribute or 'MyClass'}"
        )
    if name in STRATEGIES or is_class_name(name):
        return
    if module_of(name) is not None:
        raise ValueError(f"{name} cannot be imported: it is no module:Class")
    if name not in (others := installed()):
        raise ValueError(f"{name} is no strategy. {hint(name, [*STRATEGIES, *others])}")


def _made(
    kind: Callable[..., Any],
    options: Mapping[str, Any],
    world: StrategyInputs,
    field: str,
    name: str,
    seller: str,
    limit_s: float,
) -> Any:
    """A strategy made by its constructor, which may be a user's code."""
    who = f"strategy {name} of {seller}"
    try:
        takes = inspect.signature(kind).parameters
        given = {own: getattr(world, own) for own in ("rng", "isps_per_day") if own in takes}
        return within(0.0 if name in STRATEGIES else limit_s, lambda: kind(**{**options, **given}))
    except (TypeError, ValueError) as error:
        raise InputError(
            "scenario", field, f"{name} refuses them ({error})", "See the strategy's docstring"
        ) from error
    except OverdueError as error:
        raise StrategyLimitError(
            f"{who}: its constructor takes more than {limit_s:g} s. "
            "Raise strategy_limit_s (0: no limit) if it needs more"
        ) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise StrategyError(f"{who}: its constructor fails: {told(error)}") from error


def _check(strategy: Any, name: str, world: StrategyInputs, field: str) -> None:
    """An `InputError` for what is no strategy, or none that can be played in this world."""
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
        sees = sights_of(strategy, name)
    except StrategyError as error:
        raise InputError("scenario", field, str(error), "Declare in `sees` what is known") from error
    if BOOK in sees and not world.publishes_books:
        raise InputError(
            "scenario",
            field,
            f"{name} looks at published books, and none are published",
            "Set publishes_books to true",
        )
