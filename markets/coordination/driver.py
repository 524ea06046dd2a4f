"""Running a scheme: the views of blocks, and the storage of their results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tandem_sim.grids.errors import RoundsError
from tandem_sim.markets.coordination.block import TSO, Block, Scheme, Values, View, Written
from tandem_sim.markets.coordination.information import Information
from tandem_sim.markets.coordination.ledger import Ledger


def view_of(block: Block, system: str, states: Mapping[str, Values]) -> View:
    """The view of `block` when it runs in `system`: declared reads and nothing else."""
    own_prefix = "tso." if block.party == "tso" else "area."

    def entries(prefix: str, owner: str) -> dict[str, Any]:
        names = [name.removeprefix(prefix) for name in block.reads if name.startswith(prefix)]
        return {name: states[owner][name] for name in names}

    if block.party == "dso":
        return View(own=entries(own_prefix, system), tso=entries("tso.", TSO))
    areas = {area: entries("area.", area) for area in states if area != TSO}
    own = entries("tso.", TSO) if block.party == "tso" else {}
    return View(own=own, areas=areas, tso=entries("tso.", TSO))


def systems_of(block: Block, states: Iterable[str]) -> list[str]:
    """The systems in which a block runs: a DSO block in the area of each DSO, any other once."""
    return [system for system in states if system != TSO] if block.party == "dso" else [TSO]


def apply(block: Block, written: Written, states: dict[str, dict[str, Any]], ledger: Ledger) -> None:
    """Store the output of a block; awards are booked in the ledger and added to `sold`."""
    for system, clearing in written.clearings.items():
        ledger.note(system, block.name, clearing)
    for system, values in written.entries.items():
        states[system].update(values)
    for system, sale in written.sales.items():
        if not len(sale.award_mw):
            continue
        ledger.book(system, block.name, sale)
        states[system]["sold"] = ledger.sold(system)
    for (market, system), refused in written.refused.items():
        ledger.cancel(system, market, refused)
        states[system]["sold"] = ledger.sold(system)


def run_scheme(
    scheme: Scheme,
    states: dict[str, dict[str, Any]],
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
            view = view_of(block, system, states)
            shared.note(view.areas)
            if block.party != "tso":
                shared.note({TSO: view.tso})
            written = block.run(system, view)
            shared.note({other: entries for other, entries in written.entries.items() if other != system})
            apply(block, written, states, ledger)

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
