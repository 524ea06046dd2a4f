"""Code that a scenario names: strategies, extensions, schemes and baselines of users."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from tandem_sim.agents.parties.aggregator import Aggregator
from tandem_sim.agents.strategies.allowed_code import AllowedCode
from tandem_sim.agents.strategies.registry import STRATEGIES, is_built_in
from tandem_sim.agents.strategies.time_limit import can_interrupt
from tandem_sim.markets.choices import ABOUT
from tandem_sim.markets.settlement.baselines import METHODS
from tandem_sim.sim.scenario.scenario import Scenario

log = logging.getLogger(__name__)
REPLACEMENT, SCHEME, BASELINE = "truthful", "multilevel-03", "counterfactual"
"""What stands in a scenario without code for a strategy, a scheme and a baseline of users."""
OWN_BASELINE = "settlement.baseline"


def code_names(scenario: Scenario) -> dict[str, str]:
    """Names of strategies, extensions, scheme and baseline of a scenario that are not built in, by field."""
    listed = {f"strategies.{k}.name": given.name for k, given in enumerate(scenario.strategies)}
    strategies = {"strategy": scenario.strategy, **listed}
    return {
        **{field: name for field, name in strategies.items() if name not in STRATEGIES},
        **{f"extensions.{k}.name": given.name for k, given in enumerate(scenario.extensions)},
        **({} if scenario.scheme in ABOUT else {"scheme": scenario.scheme}),
        **({} if scenario.settlement.baseline in METHODS else {OWN_BASELINE: scenario.settlement.baseline}),
    }


def check_code(scenario: Scenario, allowed: AllowedCode, source: str = "scenario") -> None:
    """Raise `InputError` if a scenario, of the file `source`, names code that is not allowed."""
    for field, name in code_names(scenario).items():
        allowed.check(name, source, field)


def without_code(scenario: Scenario) -> tuple[Scenario, dict[str, str]]:
    """A scenario without code of users, built-in things in its place; and its names, by field."""
    code = code_names(scenario)
    listed = [
        given.model_copy(update={"name": REPLACEMENT, "options": {}} if given.name not in STRATEGIES else {})
        for given in scenario.strategies
    ]
    built_in = {"baseline": BASELINE, "baseline_options": {}} if OWN_BASELINE in code else {}
    changes = {
        "strategy": REPLACEMENT if "strategy" in code else scenario.strategy,
        "strategies": listed,
        "extensions": [],
        "scheme": SCHEME if "scheme" in code else scenario.scheme,
        "settlement": scenario.settlement.model_copy(update=built_in),
    }
    return scenario.model_copy(update=changes), code


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
