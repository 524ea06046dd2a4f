"""The main loop: SimPy's clock closes gates, at which Mesa agents act and exchange messages.

Each market agent clears its own auction (``scipy.optimize.linprog``, or a merit order where that gives the
same), and pandapower's models validate the flows of all grids after activation. The order of gates stands in
`tandem_sim.markets.coordination.gates`, their times in `tandem_sim.sim.timetable`; an agent or a role marks
what it does at one with ``@at(gate)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tandem_sim.agents.strategies.allowed_code import NO_CODE, AllowedCode
from tandem_sim.markets.coordination.block import Scheme
from tandem_sim.markets.coordination.gates import GATES
from tandem_sim.sim.assembly.agents import CreationOrder
from tandem_sim.sim.checkpoint import Checkpoints
from tandem_sim.sim.clock.interruption import requested_end, signals_deferred
from tandem_sim.sim.model import FlexibilityModel, Observer
from tandem_sim.sim.scenario.named_code import limit_strategies
from tandem_sim.sim.scenario.scenario import Scenario
from tandem_sim.sim.settlement.reconcile import reconcile

OnStep = Callable[[str, int, int], None]
"""Called with the name of a step after the simulation, its parts done, and all its parts."""


def run(
    scenario: Scenario,
    folder: Path | None,
    out: Path,
    *,
    observers: Sequence[Observer] = (),
    checkpoints: Checkpoints | None = None,
    allowed: AllowedCode = NO_CODE,
    creation_order: CreationOrder = list,
    on_step: OnStep = lambda step, done, total: None,
) -> Scheme:
    """Simulate a scenario and write its tables into `out`. Returns the coordination scheme.

    Arguments as in `start`. With `checkpoints` the run takes more of them. A signal to end (`interruption`)
    takes effect between two ISPs: the run takes a checkpoint and raises `Interrupted`. `on_step` is called
    while tables are written and checked. Raises `AuditError` if the tables disagree.
    """
    model = start(
        scenario,
        folder,
        out,
        observers=observers,
        checkpoints=checkpoints,
        allowed=allowed,
        creation_order=creation_order,
    )
    due = set() if checkpoints is None else checkpoints.moments(model)
    with signals_deferred():
        for second in [*sorted(due.union(model.starts_ahead())), None]:
            model.run_through(second)  # agents act at gates and exchange messages, ISPs are delivered
            interrupted = requested_end()
            if checkpoints is not None and (second in due or interrupted):
                checkpoints.save(model)
            if interrupted:
                raise interrupted
    model.recorder.close(lambda done, total: on_step("writing tables", done, total))
    on_step("checking tables", 0, 1)
    reconcile(out, scenario.isp_minutes / 60.0)
    return model.tso.scheme


def start(
    scenario: Scenario,
    folder: Path | None,
    out: Path,
    *,
    observers: Sequence[Observer] = (),
    checkpoints: Checkpoints | None = None,
    allowed: AllowedCode = NO_CODE,
    creation_order: CreationOrder = list,
) -> FlexibilityModel:
    """A model with all gates ahead. The caller steps it, and closes its recorder.

    Relative paths of the scenario start at `folder`, its tables go to `out`; `observers` are called after
    every gate. With `checkpoints` it continues from the newest one, if any. Strategies, schemes and
    baselines of users come from `allowed` code. `creation_order` sorts agents, roles' gates and the like
    before their creation: no result depends on it, and tests reverse it.
    """
    model = FlexibilityModel(
        scenario,
        folder,
        out,
        observers=observers,
        creation_order=creation_order,
        spool=None if checkpoints is None else checkpoints.spool,
        allowed=allowed,
    )
    if checkpoints is not None:
        checkpoints.restore(model)
    limit_strategies((*model.aggregators, *model.transmission_sellers), scenario.strategy_limit_s)
    for gate in creation_order(GATES):
        if actions := model.actions(gate):  # of agents, of their roles, of the model: delivery, settlement
            model.clock.gate(gate, model.closures_ahead(gate), actions)
    return model
