"""Which grid models the steps of an ISP use, from what the blocks of schemes read."""

from __future__ import annotations

from dataclasses import dataclass

from tandem_sim.markets.coordination.block import Block
from tandem_sim.markets.coordination.gates import GATES
from tandem_sim.markets.schemes import Options, build_schemes

DC, LINEAR, AC, THREE_PHASE = (
    "transmission:\nDC, linear",
    "areas:\nLinDistFlow",
    "AC\npower flow",
    "LV feeders:\nthree-phase",
)
MODELS = (DC, LINEAR, AC, THREE_PHASE)
READS = {"tso.grid": DC, "area.grid": LINEAR, "area.power_flow": AC, "area.ac_limits": AC}
OPTIONS = (Options(), Options(envelope_check="ac"), Options(local_reactive=True))
OTHER_STEPS = {
    "day_ahead": ("day-ahead market", ()),
    "limit": ("limits on connections", (LINEAR, THREE_PHASE)),
    "deliver": ("delivery, power flow check", (AC, THREE_PHASE)),
}
"""Steps that are no blocks: what they are called, and their models."""


@dataclass(frozen=True)
class Step:
    """A step of an ISP: its gate, its names (blocks of one gate with the same models), and their models.

    `always` are the models that it uses in every scheme with it, `models` those that it may use.
    """

    gate: str
    names: tuple[str, ...]
    always: tuple[str, ...]
    models: tuple[str, ...]


def steps() -> list[Step]:
    """Steps of an ISP in the order of gates, with the grid models that they use."""
    found: dict[tuple[str, str], list[Block]] = {}
    for options in OPTIONS:
        for scheme in build_schemes(options).values():
            for block in scheme.blocks:
                found.setdefault((block.gate, block.name), []).append(block)
    rows = {
        (gate, name): (
            tuple(m for m in MODELS if all(m in _models(block) for block in blocks)),
            tuple(m for m in MODELS if any(m in _models(block) for block in blocks)),
        )
        for (gate, name), blocks in found.items()
    }
    rows |= {(gate, name): (models, models) for gate, (name, models) in OTHER_STEPS.items()}
    merged: dict[tuple[str, tuple[tuple[str, ...], tuple[str, ...]]], list[str]] = {}
    for (gate, name), models in rows.items():
        merged.setdefault((gate, models), []).append(name)
    order = sorted(merged, key=lambda key: GATES.index(key[0]))
    return [Step(gate, tuple(merged[gate, models]), *models) for gate, models in order]


def _models(block: Block) -> set[str]:
    return {READS[name] for name in block.reads if name in READS}
