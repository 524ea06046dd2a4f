"""AC power flow of every grid at its highest and its lowest net load, without activation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tandem_sim.grids.network.network import Network
from tandem_sim.grids.power_flow.ac import AcState
from tandem_sim.grids.tolerances import LIMIT_TOLERANCE_SHARE
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.markets.services.day_ahead import Supply, schedule_units
from tandem_sim.sim.calibration.load import Extreme, Load
from tandem_sim.sim.model import FlexibilityModel
from tandem_sim.sim.scenario.sections import UnitSettings

STEPS = 20
"""Steps in which the quadratic cost of a unit is supplied."""


@dataclass(frozen=True)
class BranchLoading:
    """A branch with a rating: "line 4", its name in the net or empty, current in percent of rating."""

    label: str
    name: str
    percent: float


@dataclass(frozen=True)
class BusVoltage:
    """A bus by its pandapower index, its name in the net or empty, and its voltage."""

    bus: int
    name: str
    vm_pu: float


@dataclass(frozen=True, kw_only=True)
class GridState:
    """One grid at one moment. Branches and buses beyond their limits are sorted, the worst first.

    `worst` is None where no branch has a rating; `lowest` and `highest` where the power flow has no solution.
    Voltages on transmission have no limits in Tandem: `outside` is empty there.
    """

    name: str
    moment: str  # "peak" or "lowest"
    isp: int
    net_mw: float
    converged: bool
    worst: BranchLoading | None = None
    lowest: BusVoltage | None = None
    highest: BusVoltage | None = None
    overloaded: tuple[BranchLoading, ...] = ()
    outside: tuple[BusVoltage, ...] = ()
    missing_mw: float = 0.0  # net load beyond what units can give (positive), or below (negative)


def grid_states(model: FlexibilityModel, load: Load, units: Sequence[UnitSettings]) -> Iterator[GridState]:
    """States of every grid at its peak and at its lowest net load."""
    networks = {**{area.name: area.network for area in model.areas}, T: model.transmission}
    for grid in load.grids:
        for moment, extreme in (("peak", grid.peak), ("lowest", grid.low)):
            unit_mw, missing = _dispatch(model, units, extreme)
            found = model.physics.without_activation(
                extreme.isp, extreme.sites, unit_mw, model.load_mw[extreme.isp]
            )
            yield _state(
                networks[grid.name],
                found[grid.name][0],
                grid.name,
                moment,
                extreme,
                missing * (grid.name == T),
            )


def _dispatch(
    model: FlexibilityModel, units: Sequence[UnitSettings], extreme: Extreme
) -> tuple[FloatArray, float]:
    """Outputs of units by node (N,), at least cost for the net load of all grids, and MW that are missing.

    Ramps and losses are left out: the external grid takes the losses, as in a run.
    """
    demand = -float(model.load_mw[extreme.isp].sum())
    for area in model.areas:
        p, _ = area.injections(extreme.isp, extreme.sites.site_base_kw, extreme.sites.site_load_kw)
        demand -= float(p.sum())
    least = np.array([u.p_min_mw for u in units])
    width = (np.array([u.p_max_mw for u in units]) - least) / STEPS
    middle = least[:, None] + width[:, None] * (np.arange(STEPS) + 0.5)
    price = np.array([u.c1 for u in units])[:, None] + 2.0 * np.array([u.c2 for u in units])[:, None] * middle
    supply = Supply(
        least_mw=least[:, None],
        step_mw=np.repeat(width[:, None], STEPS, axis=1)[:, :, None],
        price_eur_per_mwh=price[:, :, None],
        ramp_mw=np.full((len(units), 1), np.inf),
        before_mw=np.full(len(units), np.nan),
    )
    found = schedule_units(supply, np.array([demand]), "units")
    by_node = np.zeros(model.transmission.n_nodes)
    nodes = model.transmission.nodes_of(np.array([u.bus for u in units]), "transmission.units", "scenario")
    np.add.at(by_node, nodes, found.output_mw[:, 0])
    return by_node, float(found.short_mw[0])


def _state(
    network: Network, state: AcState, name: str, moment: str, extreme: Extreme, missing_mw: float
) -> GridState:
    unsolved = GridState(
        name=name,
        moment=moment,
        isp=extreme.isp,
        net_mw=extreme.net_mw,
        converged=False,
        missing_mw=missing_mw,
    )
    if not state.converged:
        return unsolved
    limits = network.branches.i_max_from_ka, network.branches.i_max_to_ka
    rated = np.flatnonzero(np.isfinite(limits).any(axis=0))
    by_loading = rated[np.argsort(-state.loading_percent[rated], kind="stable")]
    branches = [_branch(network, k, float(state.loading_percent[k])) for k in by_loading.tolist()]
    most = 100.0 * (1.0 + LIMIT_TOLERANCE_SHARE)
    buses, low, high = _voltages(network, state)
    return replace(
        unsolved,
        converged=True,
        worst=branches[0] if branches else None,
        lowest=low,
        highest=high,
        overloaded=tuple(branch for branch in branches if branch.percent > most),
        outside=() if name == T else tuple(buses),
    )


def _voltages(network: Network, state: AcState) -> tuple[list[BusVoltage], BusVoltage, BusVoltage]:
    """Buses outside their voltage band, the worst first; the buses of lowest and highest voltage.

    Buses that closed switches join are one node: the first of them stands for all.
    """
    nodes, first = np.unique(network.bus_node, return_index=True)
    vm = state.vm_pu[nodes]
    low, high = (limit[nodes] for limit in network.node_limits_pu())
    beyond = np.maximum(low - vm, vm - high)  # limits are near 1 p.u.
    order = np.argsort(-beyond, kind="stable")
    found = [_bus(network, int(first[k]), float(vm[k])) for k in order if beyond[k] > LIMIT_TOLERANCE_SHARE]
    ends = [_bus(network, int(first[k]), float(vm[k])) for k in (int(vm.argmin()), int(vm.argmax()))]
    return found, ends[0], ends[1]


def _branch(network: Network, k: int, percent: float) -> BranchLoading:
    table, _, row = (label := network.branches.label[k]).rpartition(" ")
    return BranchLoading(label, _name(network, table, int(row)), percent)


def _bus(network: Network, place: int, vm_pu: float) -> BusVoltage:
    bus = int(network.bus_index[place])
    return BusVoltage(bus, _name(network, "bus", bus), vm_pu)


def _name(network: Network, table: str, row: int) -> str:
    """Name of an element in the pandapower net; empty if it has none."""
    rows = network.net[table]
    name = rows["name"].get(row) if "name" in rows else None
    return name.strip() if isinstance(name, str) else ""
