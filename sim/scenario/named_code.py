"""Code that a scenario names: strategies and extensions of users, and how they are restricted."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from tandem_sim.agents.parties.aggregator import Aggregator
from tandem_sim.agents.strategies.allowed_code import AllowedCode
from tandem_sim.agents.strategies.registry import STRATEGIES, is_built_in
from tandem_sim.agents.strategies.time_limit import can_interrupt
from tandem_sim.sim.scenario.scenario import Scenario

log = logging.getLogger(__name__)
REPLACEMENT = "truthful"


def code_names(scenario: Scenario) -> dict[str, str]:
    """Names of all strategies, built in or not, and of all extensions of a scenario, by field."""
    listed = {f"strategies.{k}.name": given.name for k, given in enumerate(scenario.strategies)}
    added = {f"extensions.{k}.name": given.name for k, given in enumerate(scenario.extensions)}
    return {"strategy": scenario.strategy, **listed, **added}


def check_code(scenario: Scenario, allowed: AllowedCode, source: str = "scenario") -> None:
    """Raise `InputError` if a scenario, of the file `source`, names code that is not allowed."""
    for field, name in code_names(scenario).items():
        allowed.check(name, source, field)


def without_code(scenario: Scenario) -> tuple[Scenario, dict[str, str]]:
    """A scenario with truthful sellers and without extensions; and the names of code of users, by field."""
    code = {field: name for field, name in code_names(scenario).items() if name not in STRATEGIES}
    listed = [
        given.model_copy(update={"name": REPLACEMENT, "options": {}} if given.name in code.values() else {})
        for given in scenario.strategies
    ]
    default = REPLACEMENT if "strategy" in code else scenario.strategy
    return scenario.model_copy(update={"strategy": default, "strategies": listed, "extensions": []}), code


def limit_strategies(sellers: Iterable[Aggregator], limit_s: float) -> None:
    """Set the time limit of calls of users' strategies, and warn where calls cannot be ended."""
    watched = False
    for seller in sellers:
        seller.bidder.limit_s = limit_s
        watched = watched or not is_built_in(seller.bidder.strategy)
    if watched and limit_s and not can_interrupt():
        log.warning(
            "strategy_limit_s: a strategy that never returns cannot be ended here, only one that returns "
            "late: that takes the main thread of a process, and not Windows"
        )
