"""The driver of a scheme: which block runs for whom, what it is shown, and where its results go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tandem_sim.markets.coordination.block import TSO, Block, Scheme, Values, View, Written
from tandem_sim.markets.coordination.information import Information
from tandem_sim.markets.coordination.ledger import Ledger


class RoundsError(RuntimeError):
    """A `Repeat` that did not come to an end."""


def view_of(block: Block, house: str, states: Mapping[str, Values]) -> View:
    """The view of `block` when it runs in `house`: declared reads and nothing else."""
    own_prefix = "tso." if block.party == "tso" else "area."

    def entries(prefix: str, owner: str) -> dict[str, Any]:
        names = [name.removeprefix(prefix) for name in block.reads if name.startswith(prefix)]
        return {name: states[owner][name] for name in names}

    if block.party == "dso":
        return View(own=entries(own_prefix, house), tso=entries("tso.", TSO))
    areas = {area: entries("area.", area) for area in states if area != TSO}
    own = entries("tso.", TSO) if block.party == "tso" else {}
    return View(own=own, areas=areas, tso=entries("tso.", TSO))


def systems_of(block: Block, states: Iterable[str]) -> list[str]:
    """In which houses a block runs: a DSO's block in each DSO's, any other once."""
    return [house for house in states if house != TSO] if block.party == "dso" else [TSO]


def apply(block: Block, written: Written, states: dict[str, dict[str, Any]], ledger: Ledger) -> None:
    """Put what a block wrote where it belongs; awards are booked in the ledger and added to `sold`."""
    for house, clearing in written.clearings.items():
        ledger.note(house, block.name, clearing)
    for house, values in written.entries.items():
        states[house].update(values)
    for house, sale in written.sales.items():
        if not len(sale.award_mw):
            continue
        ledger.book(house, block.name, sale)
        states[house]["sold"] = ledger.sold(house)
    for (market, house), refused in written.refused.items():
        ledger.cancel(house, market, refused)
        states[house]["sold"] = ledger.sold(house)


def carry(
    scheme: Scheme,
    states: dict[str, dict[str, Any]],
    ledger: Ledger,
    at_gate: Callable[[str], None] = lambda gate: None,
) -> Information:
    """Carry a scheme through its gates at once: the driver of one-shot clearing.

    `at_gate` is called before each block with its gate. Returns what left the houses on the way.
    """
    shared = Information()

    def run(block: Block) -> None:
        at_gate(block.gate)
        for house in systems_of(block, states):
            view = view_of(block, house, states)
            shared.note(view.areas)
            if block.party != "tso":
                shared.note({TSO: view.tso})
            written = block.run(house, view)
            shared.note({other: entries for other, entries in written.entries.items() if other != house})
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
