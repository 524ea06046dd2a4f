"""A case: one market instance as a folder of files, read without running code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tandem_sim.grids.choices import Offset
from tandem_sim.grids.documents.json_reader import LARGEST_JSON, read_json
from tandem_sim.grids.documents.text import is_there, read_text, shown
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.io.read import load_network
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.power_flow.ac import PowerFlow
from tandem_sim.grids.power_flow.ac_limits import AcLimits
from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.grids.power_flow.dc import DcModel, TransmissionGrid
from tandem_sim.grids.power_flow.lindistflow import LinDistFlow
from tandem_sim.grids.power_flow.operator_model import NO_MARGINS, Margins, OperatorModel
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.cases.options import NO_OPTIONS, CaseOptions, read_options
from tandem_sim.markets.cases.read_bids import LARGEST, no_such_bus, read_bids
from tandem_sim.markets.coordination.entries import BoundaryFlow, Forecast
from tandem_sim.markets.coordination.gates import GATES
from tandem_sim.markets.coordination.operator_state import TSO, AreaState, SystemState
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.orders.flexibility_register import unit_of
from tandem_sim.markets.orders.penalties import largest
from tandem_sim.markets.orders.zones import Zones
from tandem_sim.markets.schemes import Options

CASE_KEYS = ("name", "transmission", "distribution", "bids", "options", "forecasts")
SIDES = {"both": (True, True), "up": (True, False), "down": (False, True), "none": (False, False)}
"""Directions (up, down) that a unit may sell although its zone says otherwise."""
AREA_KEYS = ("id", "grid", "interface_bus", "scheduled_mw", "ratings_mva", "green")


@dataclass(frozen=True, kw_only=True)
class CaseArea:
    """One distribution grid of a case, with everything for clearing and for the power flow check."""

    network: Network
    lin: LinDistFlow
    rows: GridConstraints  # of the base state, limits as they are
    bids: Bids
    power_flow: PowerFlow
    scheduled_mw: float | None = None  # flow at the boundary; the base flow unless the case says otherwise
    offset: Offset = "linear"
    margins: Margins = NO_MARGINS
    zones: Zones | None = None  # of a network flexibility study, if there has been one
    reactive: Bids = field(default_factory=Bids.empty)  # offers of reactive power

    @property
    def rows_with_margins(self) -> GridConstraints:
        """Constraints of the base state for the DSO's markets: limits narrowed by its margins."""
        return self.rows.tightened(self.margins.flow, 2.0 * self.margins.voltage_pu)

    def entries(
        self, p_mw: FloatArray, q_mvar: FloatArray, bought_mvar: FloatArray | float = 0.0
    ) -> AreaState:
        """Entries of the DSO's state for expected injections (N,) in MW and Mvar; see `grid_entries`."""
        operator_model = OperatorModel(self.lin, self.power_flow, self.offset, self.margins)
        return grid_entries(operator_model, p_mw, q_mvar, self.scheduled_mw, bought_mvar)


def grid_entries(
    operator_model: OperatorModel,
    p_mw: FloatArray,
    q_mvar: FloatArray,
    scheduled_mw: float | None,
    bought_mvar: FloatArray | float = 0.0,
) -> AreaState:
    """Entries of the state of a DSO that expects injections (N,) in MW and Mvar.

    They are `forecast`, `grid`, `power_flow`, `ac_limits` and `scheduled`. `bought_mvar` (N,),
    reactive power that it has bought, is part of the state of the grid and not of the forecast. Where the
    power flow has no solution, the constraints are those of LinDistFlow.
    """
    q = q_mvar + bought_mvar
    rows = operator_model.rows(p_mw, q)
    expected = -float(p_mw.sum())
    return AreaState(
        forecast=Forecast(p_mw, q_mvar),
        grid=operator_model.linear_rows(p_mw, q) if rows is None else rows,
        power_flow=partial(_rows_after, operator_model, p_mw, q),
        ac_limits=AcLimits(operator_model, p_mw, q),
        scheduled=BoundaryFlow(expected if scheduled_mw is None else scheduled_mw, expected),
    )


def _rows_after(
    operator_model: OperatorModel, p_mw: FloatArray, q_mvar: FloatArray, change_mw: FloatArray
) -> GridConstraints | None:
    """Constraints around the state after a change of injections (N,) in MW; None without a solution."""
    return operator_model.rows(p_mw + change_mw, q_mvar)


@dataclass(frozen=True)
class GateForecasts:
    """What operators expect from a gate on: entries of the states of DSOs by area, and of the TSO."""

    areas: Mapping[str, AreaState]
    tso: SystemState | None = None  # None: the TSO expects the same as before


@dataclass(frozen=True, kw_only=True)
class Case:
    """One market instance. Base injections are those of the nets.

    `forecasts`, if there are any, give the forecasts of operators by gate. Without them all operators expect
    the base state at every gate.
    """

    name: str
    transmission: TransmissionGrid
    tso_bids: Bids
    areas: Mapping[str, CaseArea]
    options: CaseOptions = NO_OPTIONS
    forecasts: Mapping[str, GateForecasts] = field(default_factory=dict)

    @property
    def admitted_eur_per_mwh(self) -> float:
        """The largest admitted price in size: the price limit of its options, else the largest bid."""
        limit = self.options.price_limit_eur_per_mwh
        books = (self.tso_bids, *(area.bids for area in self.areas.values()))
        return largest(book.price for book in books) if limit is None else limit


def read_case(path: Path, offset: Offset | None = None) -> Case:
    """Read ``CASE.json`` (or a folder holding ``case.json``) with its grids and bids.

    `offset` is ``linear`` (flows and voltages of the base state by LinDistFlow, the default) or ``ac`` (by AC
    power flow); None takes the value of the case. Raises `InputError` with file, field and hint.
    """
    path = path / "case.json" if is_there(path, Path.is_dir) else path
    spec = _read_json(path)
    known_keys(spec, CASE_KEYS, "", path)
    known_keys(spec.get("transmission", {}), ("grid", "ratings_mva"), "transmission.", path)
    t_network = _network(spec.get("transmission"), path, ("transmission",))
    entries = _distribution(spec, t_network, path)
    bids = path.parent / _text(spec, ("bids",), path)
    books, reactive = read_bids(bids, {TSO: t_network, **{area: e.network for area, e in entries.items()}})
    defaults = Options(local_reactive=any(len(book) for book in reactive.values()))
    options = read_options(spec.get("options", {}), path, defaults)
    check_prices(books, options.price_limit_eur_per_mwh, str(bids))
    _check_units(entries, books, path)
    areas = {}
    for area, entry in entries.items():
        found = _area(entry, books[area], offset or options.offset, options.margins, path)
        areas[area] = replace(found, reactive=reactive[area])
    transmission = TransmissionGrid(
        DcModel.build(t_network),
        t_network.p_mw,
        {area: e.node for area, e in entries.items()},
        {area: e.network.interface_mw for area, e in entries.items()},
    )
    name = _text(spec, ("name",), path) if "name" in spec else path.stem
    case = Case(name=name, transmission=transmission, tso_bids=books[TSO], areas=areas, options=options)
    if "forecasts" not in spec:
        return case
    file = path.parent / _text(spec, ("forecasts",), path)
    if not is_there(file):
        raise InputError(
            str(file), "forecasts", "the file does not exist", "Give a JSON file beside the case"
        )
    return replace(case, forecasts=_forecasts(_read_json(file), case, file))


def check_prices(books: Mapping[str, Bids], limit: float | None, source: str) -> None:
    """Refuse a bid beyond the price limit of the market: the `InputError` names the bid."""
    for book in books.values() if limit is not None else ():
        beyond = np.flatnonzero(np.abs(book.price) > limit)
        if len(beyond):
            bid, price = book.bid_id[beyond[0]], float(book.price[beyond[0]])
            problem = f"has a price of {price:g} EUR/MWh, beyond the limit of {limit:g} EUR/MWh"
            raise InputError(source, f"bid {bid}", problem, "Lower it, or raise price_limit_eur_per_mwh")


@dataclass(frozen=True)
class _Entry:
    """One entry of ``distribution``: its grid, and its node on transmission."""

    network: Network
    node: int
    scheduled_mw: float | None
    zones: Zones | None


def _distribution(spec: dict[str, Any], transmission: Network, path: Path) -> dict[str, _Entry]:
    """Every distribution grid by id, and the transmission node to which it is connected."""
    entries = spec.get("distribution")
    if not isinstance(entries, list):
        raise InputError(
            str(path),
            "distribution",
            "is missing or not a list",
            'Give a list of {"id", "grid", "interface_bus"}',
        )
    found: dict[str, _Entry] = {}
    for k, entry in enumerate(entries):
        place = ("distribution", str(k))
        area = _text(entry, ("id",), path, place)
        known_keys(entry, AREA_KEYS, f"distribution.{k}.", path)
        if area in found or area == TSO:
            raise InputError(
                str(path),
                f"distribution.{k}.id",
                f"{area} is used twice",
                "Give every system an id of its own",
            )
        network = _network(entry, path, place)
        bus, where = entry.get("interface_bus"), f"distribution.{k}.interface_bus"
        if not isinstance(bus, int) or isinstance(bus, bool):
            raise InputError(str(path), where, f"is {shown(bus)}", "Give the index of a transmission bus")
        if bus not in set(transmission.bus_index.tolist()):
            raise no_such_bus(path, where, bus, transmission)
        scheduled = entry.get("scheduled_mw")
        if scheduled is not None:
            scheduled = _real(scheduled, f"distribution.{k}.scheduled_mw", path)
        zones = _zones(entry["green"], network, f"distribution.{k}.green", path) if "green" in entry else None
        node = int(transmission.nodes_of(np.array([bus]), where)[0])
        found[area] = _Entry(network, node, scheduled, zones)
    return found


def _network(entry: Any, path: Path, place: tuple[str, ...]) -> Network:
    network = load_network(_text(entry, ("grid",), path, place), path.parent)
    ratings, field_ = entry.get("ratings_mva", {}), ".".join((*place, "ratings_mva"))
    if not isinstance(ratings, dict):
        raise InputError(str(path), field_, "is not an object", "Give MVA by branch, such as line 4")
    mva = {label: _real(value, f"{field_}.{label}", path) for label, value in ratings.items()}
    for label, value in mva.items():
        if value < 0:
            raise InputError(str(path), f"{field_}.{label}", f"is {value:g}", "Give MVA, zero or more")
    return network.with_ratings(mva, field_, str(path)) if mva else network


def _zones(given: Any, network: Network, place: str, path: Path) -> Zones:
    """Green nodes from lists of buses for ``up`` and ``down``, and ``units`` with their own permissions."""
    known_keys(given, ("up", "down", "units"), f"{place}.", path)
    green, known = np.zeros((2, network.n_nodes), dtype=bool), set(network.bus_index.tolist())
    for line, direction in enumerate(("up", "down")):
        buses = given.get(direction, [])
        if not isinstance(buses, list):
            raise InputError(str(path), f"{place}.{direction}", "is not a list", "Give a list of buses")
        for bus in buses:
            if type(bus) is not int or bus not in known:
                raise no_such_bus(path, f"{place}.{direction}", bus, network)
            green[line, network.nodes_of(np.array([bus]), place)] = True
    units = given.get("units", {})
    if not isinstance(units, dict):
        raise InputError(str(path), f"{place}.units", "is not an object", "Give what each unit may sell")
    for unit, sides in units.items():
        if not isinstance(sides, str) or sides not in SIDES:
            where, hint = f"{place}.units.{unit}", f"Use one of {', '.join(SIDES)}"
            raise InputError(str(path), where, f"is {shown(sides)}", hint)
    return Zones(green, {unit: SIDES[sides] for unit, sides in units.items()})


def _check_units(entries: Mapping[str, _Entry], books: Mapping[str, Bids], path: Path) -> None:
    """Refuse units of a study without bids: their entry would have no effect."""
    for k, (area, entry) in enumerate(entries.items()):
        bidding = {unit_of(bid) for bid in books[area].bid_id.tolist()}
        for unit in entry.zones.units if entry.zones is not None else ():
            if unit not in bidding:
                where = f"distribution.{k}.green.units.{unit}"
                hint = "Name units as their bids, without .up or .down"
                raise InputError(str(path), where, f"has no bids in {area}", hint)


def _real(value: Any, place: str, path: Path) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not -LARGEST < value < LARGEST:
        raise InputError(str(path), place, f"is {shown(value)}", "Give a finite number")
    return float(value)


def _area(entry: _Entry, bids: Bids, offset: Offset, margins: Margins, path: Path) -> CaseArea:
    network = entry.network
    lin, flow = LinDistFlow.build(network), PowerFlow(network)
    rows = OperatorModel(lin, flow, offset).rows(network.p_mw, network.q_mvar)
    if rows is None:
        raise InputError(
            str(path),
            "offset",
            f"the AC power flow of grid {network.name} has no solution",
            "Correct its injections, or use the linear offset",
        )
    return CaseArea(
        network=network,
        lin=lin,
        rows=rows,
        bids=bids,
        power_flow=flow,
        scheduled_mw=entry.scheduled_mw,
        offset=offset,
        margins=margins,
        zones=entry.zones,
    )


def _forecasts(spec: dict[str, Any], case: Case, path: Path) -> dict[str, GateForecasts]:
    """Entries of states by gate, from a file of injections by gate and system."""
    known_keys(spec, GATES, "", path)
    found: dict[str, GateForecasts] = {}
    for gate, systems in spec.items():
        known_keys(systems, (TSO, *case.areas), f"{gate}.", path)
        areas: dict[str, AreaState] = {}
        tso: SystemState | None = None
        for system, given in systems.items():
            place = f"{gate}.{system}"
            if system == TSO:
                known_keys(given, ("bus", "p_mw", "interface_mw"), f"{place}.", path)
                grid = case.transmission
                (p,) = _at_nodes(given, ("p_mw",), grid.dc.network, place, path)
                expected_flows = given.get("interface_mw", {})
                known_keys(expected_flows, tuple(case.areas), f"{place}.interface_mw.", path)
                flows = {
                    a: _real(expected_flows.get(a), f"{place}.interface_mw.{a}", path) for a in case.areas
                }
                tso = SystemState(grid=replace(grid, p_mw=p, interface_mw=flows))
            else:
                known_keys(given, ("bus", "p_mw", "q_mvar"), f"{place}.", path)
                area = case.areas[system]
                p, q = _at_nodes(given, ("p_mw", "q_mvar"), area.network, place, path)
                areas[system] = area.entries(p, q)
        found[gate] = GateForecasts(areas, tso)
    return found


def _at_nodes(
    given: dict[str, Any], names: Sequence[str], network: Network, place: str, path: Path
) -> list[FloatArray]:
    """Arrays (N,) of injections that a file lists by bus."""
    columns = [given.get(name) for name in ("bus", *names)]
    if not all(isinstance(c, list) and len(c) == len(columns[0] or []) for c in columns):
        raise InputError(str(path), place, "has no equally long lists", f"Give bus and {', '.join(names)}")
    numbers, *values = ([_real(v, place, path) for v in column or []] for column in columns)
    bus, known = [int(b) for b in numbers], set(network.bus_index.tolist())
    for b, number in zip(bus, numbers, strict=True):
        if b not in known or b != number:
            raise no_such_bus(path, f"{place}.bus", b if b == number else number, network)
    node = network.nodes_of(np.array(bus, dtype=np.int64), f"{place}.bus")
    n = network.n_nodes
    return [np.bincount(node, weights=v, minlength=n).astype(np.float64) for v in values]


def _read_json(path: Path) -> dict[str, Any]:
    if not is_there(path):
        raise InputError(
            str(path), "case", "the file does not exist", "Give the path of a case.json or of its folder"
        )
    spec = read_json(read_text(path, LARGEST_JSON), str(path))
    if not isinstance(spec, dict):
        raise InputError(
            str(path),
            "case",
            "is not a JSON object",
            'Start from {"name", "transmission", "distribution", "bids"}',
        )
    return spec


def known_keys(spec: Any, keys: Sequence[str], prefix: str, path: Path) -> None:
    """Refuse a part of a file that is no object, or has unknown keys."""
    if not isinstance(spec, dict):
        raise InputError(str(path), prefix.rstrip("."), "is not a JSON object", f"Give {', '.join(keys)}")
    unknown = set(spec) - set(keys)
    if unknown:
        raise InputError(
            str(path), f"{prefix}{min(unknown)}", "is an unknown key", f"Use {', '.join(keys)} only"
        )


def _text(spec: Any, keys: tuple[str, ...], path: Path, place: tuple[str, ...] = ()) -> str:
    value = spec
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, str) or not value:
        raise InputError(str(path), ".".join((*place, *keys)), "is missing or not text", "Add it")
    return value
