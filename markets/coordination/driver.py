"""Running a scheme: the views of blocks, and the storage of their results."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tandem_sim.grids.errors import RoundsError
from tandem_sim.markets.coordination.block import TSO, Block, Scheme, View, Written
from tandem_sim.markets.coordination.information import Information
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.coordination.operator_state import AreaState, OperatorState, SystemState


def view_of(block: Block, system: str, states: OperatorState) -> View:
    """The view of `block` when it runs in `system`: declared reads and nothing else.

    Raises `UnknownEntryError` for an entry that it reads and that is not known.
    """

    def names(prefix: str) -> list[str]:
        return [name.removeprefix(prefix) for name in block.reads if name.startswith(prefix)]

    of_area = names(AreaState.prefix)
    tso = states.tso.view(names(SystemState.prefix), block.name)
    if block.party == "dso":
        return View(area=states.area(system).view(of_area, block.name), tso=tso)
    return View(areas={a: state.view(of_area, block.name) for a, state in states.areas.items()}, tso=tso)


def systems_of(block: Block, systems: Iterable[str]) -> list[str]:
    """The systems in which a block runs: a DSO block in the area of each DSO, any other once."""
    return [system for system in systems if system != TSO] if block.party == "dso" else [TSO]


def apply(block: Block, written: Written, states: OperatorState, ledger: Ledger) -> None:
    """Store the output of a block; awards are booked in the ledger and added to `sold`."""
    for system, clearing in written.clearings.items():
        ledger.note(system, block.name, clearing)
    for system, entries in written.states.items():
        states.update(system, entries)
    for system, sale in written.sales.items():
        if not len(sale.award_mw):
            continue
        ledger.book(system, block.name, sale)
        states.book_sold(system, ledger.sold(system))
    for (market, system), refused in written.refused.items():
        ledger.cancel(system, market, refused)
        states.book_sold(system, ledger.sold(system))


def run_block(
    block: Block, system: str, states: OperatorState, ledger: Ledger, shared: Information | None = None
) -> Written:
    """Run one block in a system: form its view, run it, store its output in `states` and `ledger`.

    `shared`, if given, counts what the block reads from other operators and writes into their states. Cases,
    games, environments and simulations all run blocks by this function.
    """
    view = view_of(block, system, states)
    written = block(system, view)
    if shared is not None:
        shared.note(view.areas)
        if block.party != "tso":
            shared.note({TSO: view.tso})
        shared.note({other: entries for other, entries in written.states.items() if other != system})
    apply(block, written, states, ledger)
    return written


def run_scheme(
    scheme: Scheme,
    states: OperatorState,
    ledger: Ledger,
    at_gate: Callable[[str], None] = lambda gate: None,
) -> Information:
    """Run all blocks of a scheme through its gates, as in one-shot clearing.

    `at_gate` is called before each block with its gate. `states` and `ledger` are updated. Returns the
    information that operators shared. Raises `RoundsError` where repeated blocks do not agree.
    """
    shared = Information()

    def run(block: Block) -> None:
        at_gate(block.gate)
        for system in systems_of(block, states):
            run_block(block, system, states, ledger, shared)

    for step in scheme.steps:
        if isinstance(step, Block):
            run(step)
            continue
        for _ in range(step.max_rounds):
            for block in step.blocks:
                run(block)
            if step.until(states):
                break
        else:
            if step.goes_on:
                continue
            names = ", ".join(block.name for block in step.blocks)
            raise RoundsError(f"scheme {scheme.name}: {names} did not agree within {step.max_rounds} rounds")
    return shared
