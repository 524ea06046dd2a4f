"""AC power flow: a fast one (lightsim2grid, one model kept) and the reference (pandapower.runpp)."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np
import pandapower as pp
from lightsim2grid.network import init_from_powermodels
from pandapower.auxiliary import pandapowerNet
from scipy import sparse
from scipy.sparse.linalg import splu

from tandem_sim.grids.network.network import BUS_TYPE, ISOLATED, Network
from tandem_sim.grids.tolerances import POWER_FLOW_MISMATCH_PU
from tandem_sim.grids.types import ComplexArray, FloatArray, IntArray

MAX_ITERATIONS = 20


@dataclass(frozen=True, kw_only=True)
class AcState:
    """One solved state. N nodes, E branches."""

    converged: bool
    vm_pu: FloatArray  # (N,)
    p_from_mw: FloatArray  # (E,) active power entering the branch at its from end
    p_to_mw: FloatArray  # (E,)
    q_from_mvar: FloatArray  # (E,)
    q_to_mvar: FloatArray  # (E,)
    loading_percent: FloatArray  # (E,) worst end, by current; 0 where there is no limit
    losses_mw: float  # of branches and shunts: what the external grid adds to the injections
    root_mw: float  # taken from the external grid
    root_mvar: float
    voltage_pu: ComplexArray = field(default_factory=lambda: np.empty(0, dtype=np.complex128))  # (N,)


SCALE = 1e6
"""Factor on powers in the fast model, which computes in watts: it ignores load changes below 1e-7 of its
unit."""


class PowerFlow:
    """Newton-Raphson on one grid with fixed topology and changing injections."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._model = _fast_model(network)
        self._loads = np.zeros((2, network.n_nodes))  # of the model (W, var): only changes are passed on
        self._start: ComplexArray = _flat_start(network)
        self._shunt_pu: ComplexArray = network.shunt_g_pu - 1j * network.shunt_b_pu
        branches = network.branches  # below, (2, E): first their from ends, then their to ends
        self._own, self._across = _branch_admittances(network)
        self._ends = np.stack([branches.from_node, branches.to_node])
        self._i_base_ka = network.base_mva / (network.node_vn_kv * np.sqrt(3.0))[self._ends]
        self._i_max_ka = np.stack([branches.i_max_from_ka, branches.i_max_to_ka])
        self._at_root = [np.flatnonzero(end == network.root) for end in self._ends]

    def solve(self, p_mw: FloatArray, q_mvar: FloatArray) -> AcState:
        """Solve for injections (N,) in MW and Mvar. Without convergence the state has ``converged`` False."""
        previous, self._loads = self._loads, -SCALE * np.array((p_mw, q_mvar))
        ways = (self._model.change_p_load, self._model.change_q_load)
        for change, new, old in zip(ways, self._loads, previous, strict=True):
            nodes = np.flatnonzero(new != old)
            for node, load in zip(nodes.tolist(), new[nodes].tolist(), strict=True):
                change(node, load)
        voltage = self._model.ac_pf(self._start, MAX_ITERATIONS, SCALE * POWER_FLOW_MISMATCH_PU)
        if voltage.shape[0] == 0:  # perhaps because of the pivot order kept from the last state
            self._model.tell_solver_need_reset()
            voltage = self._model.ac_pf(self._start, MAX_ITERATIONS, SCALE * POWER_FLOW_MISMATCH_PU)
        if voltage.shape[0] == 0:  # once more from the DC power flow, as in the reference
            angles = self._model.dc_pf(self._start, 1, POWER_FLOW_MISMATCH_PU)
            if angles.shape[0]:
                voltage = self._model.ac_pf(angles, MAX_ITERATIONS, SCALE * POWER_FLOW_MISMATCH_PU)
        if voltage.shape[0] == 0:
            return _diverged(self.network)
        return self._state(voltage, p_mw, q_mvar)

    def reference(self, p_mw: FloatArray, q_mvar: FloatArray, compiled: bool = False) -> AcState:
        """The same state by ``pandapower.runpp`` on a separate net: slow, and the reference for `solve`.

        It shares neither model nor solver with `solve`: it uses pandapower's own Newton-Raphson, not
        lightsim2grid, which pandapower would use where it is installed. With `compiled` (numba) a solve takes
        less time, but the first one takes seconds more.
        """
        net = self.reference_net
        _set_injections(net, self.network, p_mw, q_mvar)
        try:
            with np.errstate(invalid="ignore"):  # reactive power is shared by limits, which may be infinite
                pp.runpp(
                    net,
                    calculate_voltage_angles=True,
                    init="dc",
                    tolerance_mva=1e-8,
                    numba=compiled,
                    lightsim2grid=False,
                )
        except pp.LoadflowNotConverged:
            return _diverged(self.network)
        buses = self.network.bus_index
        vm = net.res_bus.vm_pu.loc[buses].to_numpy(dtype=float)
        angle = np.deg2rad(net.res_bus.va_degree.loc[buses].to_numpy(dtype=float))
        voltage = self._solution(net)
        voltage[self.network.bus_node] = vm * np.exp(1j * angle)
        return self._state(voltage, p_mw, q_mvar)

    @cached_property
    def reference_net(self) -> pandapowerNet:
        """The net that `reference` solves: a copy, with one load per node after the first solve."""
        return copy.deepcopy(self.network.net)

    @staticmethod
    def _solution(net: Any) -> ComplexArray:
        """The last pandapower solution by node, including open line ends, which are nodes without a bus."""
        bus = net._ppc["bus"]
        bus = bus[bus[:, BUS_TYPE] != ISOLATED]
        return np.asarray(bus[:, 7] * np.exp(1j * np.deg2rad(bus[:, 8])))

    def _state(self, voltage: ComplexArray, p_mw: FloatArray, q_mvar: FloatArray) -> AcState:
        base, at_ends = self.network.base_mva, voltage[self._ends]
        current = self._own * at_ends + self._across * at_ends[::-1]
        power = at_ends * current.conj() * base
        with np.errstate(divide="ignore"):  # a branch rated zero is infinitely loaded by any current
            loading = 100.0 * _share(np.abs(current) * self._i_base_ka, self._i_max_ka).max(axis=0)
        root, vm = self.network.root, np.abs(voltage)
        shunts = vm**2 * self._shunt_pu * base
        s_from, s_to = power
        from_root = s_from[self._at_root[0]].sum() + s_to[self._at_root[1]].sum()
        taken = from_root + shunts[root] - p_mw[root] - 1j * q_mvar[root]
        return AcState(
            converged=True,
            vm_pu=vm,
            p_from_mw=s_from.real,
            p_to_mw=s_to.real,
            q_from_mvar=s_from.imag,
            q_to_mvar=s_to.imag,
            loading_percent=loading,
            losses_mw=float((s_from + s_to).real.sum() + shunts.real.sum()),
            root_mw=float(taken.real),
            root_mvar=float(taken.imag),
            voltage_pu=voltage,
        )

    def slopes(self, state: AcState, branches: IntArray, nodes: IntArray) -> tuple[FloatArray, FloatArray]:
        """Sensitivities of loadings (k,) and voltage magnitudes (m,) of a solved state to active injections.

        (k, N) in percent per MW and (m, N) in p.u. per MW, reactive injections constant. By the adjoint of
        the Newton-Raphson Jacobian (MATPOWER manual, appendix on derivatives): one sparse factorisation. An
        injection at the root changes nothing. Loading is that of the more loaded end of a branch.
        """
        n, root, pv, v = len(state.vm_pu), self.network.root, self.network.pv_node, state.voltage_pu
        turns = np.flatnonzero(
            np.arange(n) != root
        )  # nodes with a free angle, then those with a free magnitude
        sizes = np.setdiff1d(turns, pv)
        by_angle, by_size = 1j * v, v / state.vm_pu  # dv of each node
        own = np.asarray(self._admittance @ v).conj()
        ds_angle = sparse.diags_array(own * by_angle) + _across(v, self._admittance, by_angle)
        ds_size = sparse.diags_array(own * by_size) + _across(v, self._admittance, by_size)
        p_angle, p_size = ds_angle.real[turns][:, turns], ds_size.real[turns][:, sizes]
        q_angle, q_size = ds_angle.imag[sizes][:, turns], ds_size.imag[sizes][:, sizes]
        jacobian = sparse.block_array([[p_angle, p_size], [q_angle, q_size]], format="csc")
        moved = np.zeros((len(branches) + len(nodes), 2, n))  # by angle and by magnitude of every voltage
        at_ends = v[self._ends[:, branches]]
        current = self._own[:, branches] * at_ends + self._across[:, branches] * at_ends[::-1]
        limit = 100.0 * self._i_base_ka[:, branches] / np.maximum(self._i_max_ka[:, branches], 1e-12)
        end, k = (np.abs(current) * limit).argmax(axis=0), np.arange(len(branches))
        pull = limit[end, k] * current[end, k].conj() / np.maximum(np.abs(current[end, k]), 1e-12)
        for side, admittance in ((end, self._own), (1 - end, self._across)):
            node = self._ends[side, branches]
            factor = pull * admittance[end, branches]
            moved[k, 0, node] += (factor * by_angle[node]).real
            moved[k, 1, node] += (factor * by_size[node]).real
        moved[len(branches) + np.arange(len(nodes)), 1, nodes] = 1.0
        seen = np.hstack([moved[:, 0, turns], moved[:, 1, sizes]])
        answer = splu(jacobian.T.tocsc()).solve(seen.T) / self.network.base_mva
        slopes = np.zeros((len(seen), n))
        slopes[:, turns] = answer[: len(turns)].T
        return slopes[: len(branches)], slopes[len(branches) :]

    @cached_property
    def _admittance(self) -> sparse.csr_array:
        """Currents out of nodes by voltages (N, N) p.u., shunts included."""
        n, (start, to) = self.network.n_nodes, self._ends
        nodes = np.arange(n)
        values = np.concatenate([self._own[0], self._own[1], self._across[0], self._across[1]])
        rows, columns = np.concatenate([start, to, start, to]), np.concatenate([start, to, to, start])
        places = np.concatenate([rows, nodes]), np.concatenate([columns, nodes])
        data = np.concatenate([values, self._shunt_pu.conj()])
        return sparse.coo_array((data, places), shape=(n, n)).tocsr()


def _across(v: ComplexArray, admittance: sparse.csr_array, dv: ComplexArray) -> sparse.csr_array:
    """Effect of voltage changes `dv` (N,) on powers through currents, (N, N)."""
    moved = sparse.diags_array(v) @ (admittance @ sparse.diags_array(dv)).conj()
    return cast(sparse.csr_array, moved)


def _share(current_ka: FloatArray, rating_ka: FloatArray) -> FloatArray:
    """Currents as a share of their ratings; for a rating of zero, currents below 1e-9 kA count as zero."""
    idle = (rating_ka == 0.0) & (current_ka < 1e-9)
    return np.where(idle, 0.0, current_ka / np.where(idle, 1.0, rating_ka))


def _flat_start(network: Network) -> ComplexArray:
    """Nominal voltage with the phase shifts of the transformers, so that vector groups converge."""
    angle = np.full(network.n_nodes, np.nan)
    angle[network.root] = 0.0
    b = network.branches
    while True:
        out = ~np.isnan(angle[b.from_node]) & np.isnan(angle[b.to_node])
        back = np.isnan(angle[b.from_node]) & ~np.isnan(angle[b.to_node])
        if not out.any() and not back.any():
            break
        angle[b.to_node[out]] = angle[b.from_node[out]] - b.shift_rad[out]
        angle[b.from_node[back]] = angle[b.to_node[back]] + b.shift_rad[back]
    vm = np.full(network.n_nodes, network.root_vm_pu)
    vm[network.pv_node] = network.pv_vm_pu
    return np.asarray(vm * np.exp(1j * np.nan_to_num(angle)), dtype=np.complex128)


def _branch_admittances(network: Network) -> tuple[ComplexArray, ComplexArray]:
    """Current into the ends of branches (2, E), from and to, by voltage there and at the other end.

    Pi model with the ratio at the from end (MATPOWER manual, equation 3.2).
    """
    b = network.branches
    series = 1.0 / (b.r_pu + 1j * b.x_pu)
    shunt = series + (b.g_pu + 1j * b.b_pu) / 2.0
    ratio = b.tap * np.exp(1j * b.shift_rad)
    return np.stack([shunt / b.tap**2, shunt]), np.stack([-series / ratio.conj(), -series / ratio])


def _fast_model(network: Network) -> Any:
    """A lightsim2grid model with one load per node, from the per-unit data of pandapower."""
    b = network.branches
    kinds = np.ones(network.n_nodes, dtype=int)
    kinds[network.pv_node] = 2
    kinds[network.root] = 3
    free = {"qmin": -1e6, "qmax": 1e6, "gen_status": 1}
    gens = [(network.root, network.root_vm_pu), *zip(network.pv_node, network.pv_vm_pu, strict=True)]
    nodes = range(network.n_nodes)
    shunts = [k for k in nodes if network.shunt_g_pu[k] or network.shunt_b_pu[k]]
    data = {
        "baseMVA": SCALE * network.base_mva,
        "bus": {
            str(k + 1): {"bus_i": k + 1, "bus_type": int(kinds[k]), "base_kv": float(network.node_vn_kv[k])}
            for k in nodes
        },
        "gen": {
            str(k + 1): {"gen_bus": int(node) + 1, "pg": 0.0, "vg": float(vm), **free}
            for k, (node, vm) in enumerate(gens)
        },
        "load": {str(k + 1): {"load_bus": k + 1, "pd": 0.0, "qd": 0.0, "status": 1} for k in nodes},
        "shunt": {
            str(k + 1): {"shunt_bus": k + 1, "gs": network.shunt_g_pu[k], "bs": network.shunt_b_pu[k]}
            for k in shunts
        },
        "branch": {
            str(k + 1): {
                "f_bus": int(b.from_node[k]) + 1,
                "t_bus": int(b.to_node[k]) + 1,
                "br_r": float(b.r_pu[k]),
                "br_x": float(b.x_pu[k]),
                "g_fr": float(b.g_pu[k]) / 2.0,
                "g_to": float(b.g_pu[k]) / 2.0,
                "b_fr": float(b.b_pu[k]) / 2.0,
                "b_to": float(b.b_pu[k]) / 2.0,
                "tap": float(b.tap[k]),
                "shift": float(b.shift_rad[k]),
                "transformer": bool(b.tap[k] != 1.0 or b.shift_rad[k] != 0.0),
            }
            for k in range(len(b))
        },
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings about tables that are optional in this format
        return init_from_powermodels(data)


def _set_injections(net: pandapowerNet, network: Network, p_mw: FloatArray, q_mvar: FloatArray) -> None:
    """Replace every load, generator output and storage of a net by one load per node."""
    if not len(net.load) or net.load.index.name != "tandem_node":
        for table in ("sgen", "storage", "motor", "asymmetric_load", "asymmetric_sgen"):
            if table in net and len(net[table]):
                net[table]["in_service"] = False
        for table in ("ward", "xward"):  # their constant powers are among the injections
            if table in net and len(net[table]):
                net[table][["ps_mw", "qs_mvar"]] = 0.0
        net.gen["p_mw"] = 0.0
        net.load = net.load.iloc[0:0]
        nodes, first = np.unique(network.bus_node, return_index=True)
        pp.create_loads(net, network.bus_index[first], p_mw=0.0, q_mvar=0.0, index=nodes)
        net.load.index.name = "tandem_node"
    nodes = net.load.index.to_numpy()
    net.load["p_mw"] = -p_mw[nodes]
    net.load["q_mvar"] = -q_mvar[nodes]


def _diverged(network: Network) -> AcState:
    nan_n, nan_e = np.full(network.n_nodes, np.nan), np.full(len(network.branches), np.nan)
    nan = float("nan")
    return AcState(
        converged=False,
        vm_pu=nan_n,
        p_from_mw=nan_e,
        p_to_mw=nan_e,
        q_from_mvar=nan_e,
        q_to_mvar=nan_e,
        loading_percent=nan_e,
        losses_mw=nan,
        root_mw=nan,
        root_mvar=nan,
    )
