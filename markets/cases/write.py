"""Writing a case folder that `tandem clear` reads."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tandem_sim.grids.io.write import buses_of_nodes, save_network
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.cases.case import SIDES, GateForecasts
from tandem_sim.markets.cases.options import CaseOptions
from tandem_sim.markets.cases.read_bids import COLUMNS, OPTIONAL
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.orders.bids import UP, Bids
from tandem_sim.markets.orders.flexibility_register import unit_of
from tandem_sim.markets.orders.zones import Zones


@dataclass(frozen=True, kw_only=True)
class System:
    """One grid of a case to write: base injections (N,), ratings, and for an area its interface bus."""

    network: Network
    p_mw: FloatArray
    q_mvar: FloatArray
    bids: Bids
    ratings_mva: Mapping[str, float]
    interface_bus: int | None = None
    scheduled_mw: float | None = None
    zones: Zones | None = None
    reactive: Bids = field(default_factory=Bids.empty)


def write_case(
    folder: Path,
    name: str,
    systems: Mapping[str, System],
    options: CaseOptions,
    forecasts: Mapping[str, GateForecasts],
) -> None:
    """Write ``case.json`` with grids, bids and forecasts by gate beside it. Numbers are written exactly."""
    folder.mkdir(parents=True, exist_ok=True)
    for system, s in systems.items():
        save_network(s.network, s.p_mw, s.q_mvar, folder / f"grid_{system}.json")
    spec: dict[str, Any] = {
        "name": name,
        "transmission": _entry(TSO, systems[TSO]),
        "distribution": [{"id": k, **_entry(k, s)} for k, s in systems.items() if k != TSO],
        "bids": "bids.csv",
        "options": _options(options),
        "forecasts": "forecasts.json",
    }
    _write_json(folder / "case.json", spec)
    written = {
        gate: _forecasts({k: s.network for k, s in systems.items()}, given)
        for gate, given in forecasts.items()
    }
    _write_json(folder / "forecasts.json", written)
    _write_bids(folder / "bids.csv", systems)


def _entry(system: str, s: System) -> dict[str, Any]:
    bus = buses_of_nodes(s.network)
    entry: dict[str, Any] = {"grid": f"grid_{system}.json"}
    if s.interface_bus is not None:
        entry["interface_bus"] = s.interface_bus
    if s.scheduled_mw is not None:
        entry["scheduled_mw"] = s.scheduled_mw
    if s.ratings_mva:
        entry["ratings_mva"] = dict(s.ratings_mva)
    if s.zones is not None:
        green = s.zones.green
        entry["green"] = {d: bus[(bus >= 0) & green[k]].tolist() for k, d in enumerate(("up", "down"))}
        names, bidding = {given: name for name, given in SIDES.items()}, map(unit_of, s.bids.bid_id.tolist())
        units = {unit: names[s.zones.units[unit]] for unit in bidding if unit in s.zones.units}
        if units:
            entry["green"]["units"] = units
    return entry


def _options(options: CaseOptions) -> dict[str, Any]:
    named = {"scheme": options.scheme, "price_limit_eur_per_mwh": options.price_limit_eur_per_mwh}
    return {
        **{key: value for key, value in named.items() if value is not None},
        "offset": options.offset,
        "flow_margin": options.margins.flow,
        "voltage_margin_pu": options.margins.voltage_pu,
        **asdict(options.options),
    }


def _forecasts(networks: Mapping[str, Network], given: GateForecasts) -> dict[str, dict[str, Any]]:
    """By system, ``p_mw`` and ``q_mvar`` or, for transmission, ``interface_mw`` by area."""
    found: dict[str, dict[str, Any]] = {}
    if given.tso is not None:
        grid = given.tso.grid
        found[TSO] = {**_injections(networks[TSO], p_mw=grid.p_mw), "interface_mw": dict(grid.interface_mw)}
    for name, area in given.areas.items():
        found[name] = _injections(networks[name], p_mw=area.forecast.p_mw, q_mvar=area.forecast.q_mvar)
    return found


def _injections(network: Network, **by_node: FloatArray) -> dict[str, Any]:
    bus = buses_of_nodes(network)
    some = np.flatnonzero(bus >= 0)
    return {"bus": bus[some].tolist(), **{name: values[some].tolist() for name, values in by_node.items()}}


def _write_bids(path: Path, systems: Mapping[str, System]) -> None:
    rows: list[Sequence[str | int]] = []
    books = [
        (system, s.network, power, bids)
        for system, s in systems.items()
        for power, bids in (("active", s.bids), ("reactive", s.reactive))
    ]
    for system, network, power, bids in books:
        bus = buses_of_nodes(network)
        for k in range(len(bids)):
            up = (bids.direction[k] == UP) ^ bool(bids.demand[k])
            rows.append(
                [
                    bids.bid_id[k],
                    system,
                    int(bus[bids.node[k]]),
                    "up" if up else "down",
                    repr(float(bids.quantity_mw[k])),
                    repr(float(bids.price[k])),
                    "buy" if bids.demand[k] else "sell",
                    bids.provider[k],
                    repr(float(bids.held_mw[k])),
                    "yes" if bids.forwardable[k] else "no",
                    power,
                ]
            )
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*COLUMNS, *OPTIONAL])
        writer.writerows(rows)


def _write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
