"""Tandem: how TSOs, DSOs and aggregators buy and activate flexibility on one grid.

``import tandem_sim as tandem`` gives everything a script needs. Nothing heavy is imported before it is used.

Scenarios and runs
    `read_scenario`, `Scenario`, `scenarios`; `run`, `load`, `Run`; `load_unfinished`, `UnfinishedRun`;
    `compare`, `Comparison`
Cases
    `cases`, `clear`, `Clearing`, `Outcome`
Schemes and strategies
    `schemes`, `Scheme`; `strategies`, `Strategy`, its inputs and outputs `OfferView`, `Offers`,
    `SellerResult`, `PublishedBook`, its extensions `SupplyStrategy`, `BaselineStrategy`; contract tests in
    `tandem_sim.testing`
Agents of one's own
    `Participant`, `Role`, and the marks of what they do: `at` (a gate), `on` (a message)
Environments of reinforcement learning (extra ``rl``)
    `parallel_env`, `single_agent_env`
Errors
    `TandemError`, the base class of all; `InputError`, `StrategyError`, `ClearingError`; `FaultError`, a
    fault of Tandem

A day under two schemes, and the tables of the first:

    import tandem_sim as tandem

    unchecked = tandem.run("reference", "runs/unchecked", scheme="central-01", days=1)
    checked = tandem.run("reference", "runs/checked", scheme="multilevel-03", days=1)
    print(unchecked.kpis["violated_isps_created"], checked.kpis["violated_isps_created"])
    grid = unchecked["grid"]                                # a pandas frame

The layers below are importable too, ``tandem_sim.grids`` to ``tandem_sim.experiments``; they may change
between versions without notice.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tandem_sim.agents.base.agent import Participant
    from tandem_sim.agents.base.subscriptions import Role, at, on
    from tandem_sim.agents.strategies.strategy import (
        BaselineStrategy,
        Offers,
        OfferView,
        PublishedBook,
        SellerResult,
        Strategy,
        SupplyStrategy,
    )
    from tandem_sim.experiments.api import (
        Clearing,
        Run,
        cases,
        clear,
        load,
        read_scenario,
        run,
        scenarios,
        schemes,
        strategies,
    )
    from tandem_sim.experiments.comparing.compare import Comparison, compare
    from tandem_sim.experiments.environments.api import parallel_env, single_agent_env
    from tandem_sim.experiments.run_folder.so_far import UnfinishedRun, load_unfinished
    from tandem_sim.grids.errors import ClearingError, FaultError, InputError, StrategyError, TandemError
    from tandem_sim.markets.cases.clear import Outcome
    from tandem_sim.markets.coordination.block import Scheme
    from tandem_sim.sim.scenario.scenario import Scenario

__all__ = [
    "BaselineStrategy",
    "Clearing",
    "ClearingError",
    "Comparison",
    "FaultError",
    "InputError",
    "OfferView",
    "Offers",
    "Outcome",
    "Participant",
    "PublishedBook",
    "Role",
    "Run",
    "Scenario",
    "Scheme",
    "SellerResult",
    "Strategy",
    "StrategyError",
    "SupplyStrategy",
    "TandemError",
    "UnfinishedRun",
    "at",
    "cases",
    "clear",
    "compare",
    "load",
    "load_unfinished",
    "on",
    "parallel_env",
    "read_scenario",
    "run",
    "scenarios",
    "schemes",
    "single_agent_env",
    "strategies",
]

_MODULES_OF = {
    "agents.base.agent": ("Participant",),
    "agents.base.subscriptions": ("Role", "at", "on"),
    "agents.strategies.strategy": (
        "BaselineStrategy",
        "OfferView",
        "Offers",
        "PublishedBook",
        "SellerResult",
        "Strategy",
        "SupplyStrategy",
    ),
    "experiments.api": (
        "Clearing",
        "Run",
        "cases",
        "clear",
        "load",
        "read_scenario",
        "run",
        "scenarios",
        "schemes",
        "strategies",
    ),
    "experiments.comparing.compare": ("Comparison", "compare"),
    "experiments.environments.api": ("parallel_env", "single_agent_env"),
    "experiments.run_folder.so_far": ("UnfinishedRun", "load_unfinished"),
    "grids.errors": ("ClearingError", "FaultError", "InputError", "StrategyError", "TandemError"),
    "markets.coordination.block": ("Scheme",),
    "markets.cases.clear": ("Outcome",),
    "sim.scenario.scenario": ("Scenario",),
}
"""Modules of the public names: a name is imported when it is first used."""

_FOLDER = Path(__file__).parent
if not (_FOLDER / "grids").is_dir():  # a checkout with plain files instead of links
    __path__.append(str(_FOLDER.parent))


def __getattr__(name: str) -> Any:
    for module, names in _MODULES_OF.items():
        if name in names:
            value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
            return value
    if name == "__version__":
        from importlib.metadata import version

        return version("tandem-sim")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
