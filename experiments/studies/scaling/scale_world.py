"""Worlds of up to 20 DSOs for the study of scale: SimBench's HV/MV grid in parts, and a scenario beside them.

Grids and profiles are published data. Units, costs, population and shares are synthetic: those of the
reference scenario, units doubled so that they can serve the load.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.grids.io.read import load_net
from tandem_sim.grids.network.split import (
    Substation,
    split_at_substations,
    with_loops_opened,
    with_one_external_grid,
    write_nets,
)
from tandem_sim.sim.model import FlexibilityModel, Observer
from tandem_sim.sim.run import start

GRID = "1-HVMV-mixed-all-1-no_sw"
VM_PU = 1.025
"""Set-point above every substation: that of SimBench's own MV grids taken alone."""
OTHER_SHARE = 0.6
UNIT_SCALE = 2.0
UNITS = (("G1", 0, 332.4, 25, 20, 0.0430293), ("G2", 2, 140.0, 15, 20, 0.25), ("G3", 4, 100.0, 15, 40, 0.01),
         ("G6", 2, 100.0, 15, 40, 0.01), ("G8", 4, 100.0, 15, 40, 0.01))  # fmt: skip
"""Units of the reference at the three EHV buses: name, bus, MW, MW per ISP, c1, c2."""


@dataclass(frozen=True, kw_only=True)
class WorldSize:
    """The size of a world, and how many ISPs of its day are run."""

    dsos: int
    households: int
    aggregators: int
    load_scale: float = 1.0
    isps: int = 96

    @property
    def scenario(self) -> str:
        """Name of its scenario file."""
        return f"scale-{self.dsos}-{self.load_scale:g}"


def write_worlds(folder: Path, points: Sequence[WorldSize]) -> dict[str, list[str]]:
    """Write grids, and the scenarios of `points`; the lines opened, by grid.

    A substation without a DSO in the scenario keeps the load that stands for it in the data. DSOs beyond the
    15 substations have the first grids a second time, at HV buses that carry load but no substation.
    """
    whole = load_net(GRID)
    upper, stations = split_at_substations(whole, dict.fromkeys(whole.bus.index.tolist(), VM_PU))
    stations.sort(key=lambda s: (s.name.split(".")[1], s.name))  # kinds of grid by turns
    radial = {s.name: with_loops_opened(s.net) for s in stations}
    write_nets({name: net for name, (net, _) in radial.items()}, folder)
    upper = with_one_external_grid(upper)
    areas = dsos(upper, stations)
    for point in {point.scenario: point for point in points}.values():
        chosen = areas[: point.dsos]
        write_nets({f"upper-{point.dsos}": _without_loads(upper, [bus for _, bus in chosen])}, folder)
        scenario = yaml.safe_dump(_scenario(point, chosen), sort_keys=False)
        (folder / f"{point.scenario}.yaml").write_text(scenario, encoding="utf-8")
    return {name: opened for name, (_, opened) in radial.items() if opened}


def dsos(upper: Any, stations: list[Substation]) -> list[tuple[str, int]]:
    """Grid and interface bus of 20 DSOs: the substations, then grids a second time at other loaded buses."""
    taken = {s.upper_bus for s in stations}
    loaded = upper.load[(upper.load.p_mw > 0) & ~upper.load.bus.isin(taken)]
    spare = sorted({int(bus) for bus in loaded.bus})
    own = [(s.name, s.upper_bus) for s in stations]
    return own + [(name, bus) for (name, _), bus in zip(own, spare[: 20 - len(own)], strict=False)]


def _without_loads(upper: Any, buses: list[int]) -> Any:
    """The upper net without what stands for the grids at `buses`."""
    bare = copy.deepcopy(upper)
    for table in ("load", "sgen", "storage"):
        bare[table] = upper[table][~upper[table].bus.isin(buses)]
    return bare


def _scenario(point: WorldSize, chosen: list[tuple[str, int]]) -> dict[str, Any]:
    units = [
        {
            "name": name,
            "bus": bus,
            "p_max_mw": UNIT_SCALE * mw,
            "ramp_mw_per_isp": UNIT_SCALE * ramp,
            "c1": c1,
            "c2": c2 / UNIT_SCALE,
            "adder": 25,
        }
        for name, bus, mw, ramp, c1, c2 in UNITS
    ]
    return {
        "based_on": "reference",
        "name": point.scenario,
        "description": f"{GRID} with {point.dsos} DSOs; units, costs, population and shares are synthetic",
        "days": 1,
        "transmission": {
            "grid": f"upper-{point.dsos}.json",
            "load_profile": ["hv_urban", "hv_mixed1"],
            "ratings_mva": {},
            "units": units,
            "large_loads": [],
        },
        "distribution": [
            {
                "id": f"D{k + 1:02d}",
                "grid": f"{name}.json",
                "interface_bus": bus,
                "other_profile": ["G0-A"],
                "other_share": OTHER_SHARE,
                "load_scale": point.load_scale,
            }
            for k, (name, bus) in enumerate(chosen)
        ],
        "households": point.households,
        "aggregators": point.aggregators,
        "power_flow_check": {"audit_share": 0.0},
    }


@contextmanager
def opened(
    folder: Path, point: WorldSize, observers: Sequence[Observer] = ()
) -> Iterator[tuple[FlexibilityModel, Path]]:
    """The world of a point with its gates ahead, and the folder of its tables, which goes with this context.

    Who lets the world run closes its recorder.
    """
    scenario, beside = read_scenario(
        str(folder / f"{point.scenario}.yaml"),
        {"households": point.households, "aggregators": point.aggregators},
    )
    with tempfile.TemporaryDirectory() as out:
        yield start(scenario, beside, Path(out), observers=observers), Path(out)
