"""MATPOWER cases, in text (``.m``) or binary (``.mat``), as pandapower nets.

`tandem_sim.grids.matpower.language` executes the text, including statements after the tables. The net has the
admittance matrix of the case: ratio and shift of a transformer are at its from bus whichever side has the
higher voltage, its charging becomes two shunts, and a branch between two base voltages becomes a transformer
with its rating. pandapower's ``from_mpc`` puts ratios of step-up branches on the wrong side, turns charging
of transformers into magnetisation, and drops status and rating of branches between base voltages.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.documents.text import one_line
from tandem_sim.grids.errors import InputError, MatlabError
from tandem_sim.grids.matpower.binary import read_binary
from tandem_sim.grids.matpower.language import run
from tandem_sim.grids.matpower.values import Cell
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray

log = logging.getLogger(__name__)

NOT_USED = {
    "areas": "areas",
    "branch_name": "names",
    "bus_name": "names",
    "gen_name": "names",
    "gencost": "costs: bids say what flexibility costs",
    "genfuel": "fuels",
    "gentype": "types of plants",
    "version": "the format",
}
"""Fields without effect on the grid model."""
LARGEST = 1e9
"""Largest number that is read, in any unit: a larger one is a mistake; a larger rating means no rating."""
LARGEST_RATIO = 100.0
NO_RATING_MVA = 99_999.0
"""Rated power of a transformer whose rate A is zero, which means no limit."""
UNKNOWN_BASE_KV = 1.0
"""Base voltage of a case that gives none. Its data are per unit: results in p.u. and MW do not depend on
it."""

# Columns (caseformat of MATPOWER), from zero.
BUS_I, BUS_TYPE, PD, QD, GS, BS, VA, BASE_KV, ZONE, VMAX, VMIN = 0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12
GEN_BUS, PG, QG, QMAX, QMIN, VG, MBASE, GEN_STATUS, PMAX, PMIN = range(10)
F_BUS, T_BUS, BR_R, BR_X, BR_B, RATE_A, TAP, SHIFT, BR_STATUS = 0, 1, 2, 3, 4, 5, 8, 9, 10
PV, REF, ISOLATED = 2, 3, 4
NAMES = {
    "bus": ("bus_i", "type", "Pd", "Qd", "Gs", "Bs", "area", "Vm", "Va", "baseKV", "zone", "Vmax", "Vmin"),
    "gen": ("bus", "Pg", "Qg", "Qmax", "Qmin", "Vg", "mBase", "status", "Pmax", "Pmin"),
    "branch": ("fbus", "tbus", "r", "x", "b", "rateA", "rateB", "rateC", "ratio", "angle", "status"),
}
MAY_BE_INFINITE = {"Qmax", "Qmin", "Pmax", "Pmin", "Vmax", "Vmin", "rateA", "rateB", "rateC", "mBase"}
NOT_READ = {"area", "Vm", "zone", "rateB", "rateC", "mBase"}
"""Columns whose values are not checked."""


def read_matpower(content: bytes, path: Path) -> pandapowerNet:
    """The net of a MATPOWER case; bus indices are the case's numbers minus one.

    `content` is the content of `path`: text, or binary if its name ends in ``.mat``. Raises `InputError`,
    which names line and statement, or table, row and column.
    """
    case = _of_binary(content, path) if path.suffix == ".mat" else _of_text(content, path)
    return _MatpowerCase(case, path).net()


def _no_case(path: Path, why: str) -> InputError:
    return InputError(
        str(path), "mpc", f"is not a MATPOWER case ({why})", "Give a case with baseMVA, bus, gen and branch"
    )


def _of_text(content: bytes, path: Path) -> dict[str, Any]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # for names of authors: statements are ASCII
    if "\0" in text:
        raise _no_case(path, "it holds a NUL byte, so it is not text")
    try:
        names, returned = run(text)
    except MatlabError as refused:
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        shown = one_line(lines[min(refused.line, len(lines)) - 1])
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        raise InputError(
            str(path),
            f"line {refused.line}",
            f"`{shown}` {refused.why}",
            "Tables, assignments and arithmetic are read: save the finished case with MATPOWER's savecase",
        ) from refused
    first = returned[0] if returned else "mpc"
    case = names.get(first)
    if first == "baseMVA":  # a function of version 1 returns the tables one by one
        case = {name: names[name] for name in returned if name in names}
    if not isinstance(case, dict):
        raise _no_case(path, f"{first} has no tables")
    return case


def _of_binary(content: bytes, path: Path) -> dict[str, Any]:
    try:
        case = read_binary(content).get("mpc")
    except ValueError as error:
        raise _no_case(path, one_line(error)) from error
    if not isinstance(case, dict):
        raise _no_case(path, "mpc has no tables")
    return case


class _MatpowerCase:
    """A case whose tables have been checked, and its net."""

    def __init__(self, case: dict[str, Any], path: Path) -> None:
        self.path = path
        self.case = case
        self.base_mva = self._base()
        self.bus, self.gen, self.branch = (self._table(name) for name in ("bus", "gen", "branch"))
        self._check_buses()
        self.kv = self._base_kv()
        self.gen_bus = self._buses_of("gen", self.gen, GEN_BUS)
        self.start = self._buses_of("branch", self.branch, F_BUS)
        self.end = self._buses_of("branch", self.branch, T_BUS)
        self._check_rest()

    def _fault(self, field: str, problem: str, hint: str) -> InputError:
        return InputError(str(self.path), field, problem, hint)

    def _base(self) -> float:
        base = self.case.get("baseMVA")
        value = np.asarray(base) if isinstance(base, np.ndarray | float | int) else np.zeros(0)
        if value.size != 1 or value.dtype.kind not in "fiub" or not 0 < float(value.flat[0]) < np.inf:
            raise _no_case(self.path, "baseMVA is no power above zero")
        return float(value.flat[0])

    def _table(self, name: str) -> FloatArray:
        table = self.case.get(name)
        if not isinstance(table, np.ndarray) or table.ndim != 2 or not table.size:
            raise _no_case(self.path, f"there is no table {name}")
        if table.dtype.kind not in "fiub":
            raise self._fault(f"mpc.{name}", "holds something else than real numbers", "Give numbers alone")
        columns = NAMES[name]
        if table.shape[1] < len(columns):
            raise self._fault(
                f"mpc.{name}",
                f"has {table.shape[1]} columns, a case has {len(columns)} or more",
                f"Give {', '.join(columns)}",
            )
        table = table.astype(float)
        for k, column in enumerate(columns):
            if column in NOT_READ:
                continue
            values = table[:, k]
            bad = np.isnan(values) if column in MAY_BE_INFINITE else ~(np.abs(values) <= LARGEST)
            self._refuse(name, bad, k, values, f"Give a number from {-LARGEST:g} to {LARGEST:g}")
        return table

    def _refuse(self, table: str, bad: BoolArray, column: int, values: FloatArray, hint: str) -> None:
        if bad.any():
            row = int(np.argmax(bad))
            raise self._fault(
                f"mpc.{table} row {row + 1}, {NAMES[table][column]}", f"is {values[row]:g}", hint
            )

    def _check_buses(self) -> None:
        numbers, kinds = self.bus[:, BUS_I], self.bus[:, BUS_TYPE]
        self._refuse(
            "bus", (numbers < 1) | (numbers != np.floor(numbers)), BUS_I, numbers, "Number buses from one"
        )
        _, first = np.unique(numbers, return_index=True)
        twice = np.ones(len(numbers), dtype=bool)
        twice[first] = False
        self._refuse("bus", twice, BUS_I, numbers, "Two buses have this number: give each its own")
        self._refuse(
            "bus",
            ~np.isin(kinds, (1, PV, REF, ISOLATED)),
            BUS_TYPE,
            kinds,
            "Give 1 (load), 2 (generator), 3 (reference) or 4 (isolated)",
        )

    def _base_kv(self) -> FloatArray:
        kv = self.bus[:, BASE_KV]
        self._refuse("bus", kv < 0, BASE_KV, kv, "Give a voltage above zero, in kV")
        if not kv.any():
            log.info(
                "%s: baseKV is 0 at every bus; the data are per unit, so %g kV is assumed",
                self.path,
                UNKNOWN_BASE_KV,
            )
            return np.full(len(kv), UNKNOWN_BASE_KV)
        self._refuse("bus", kv == 0, BASE_KV, kv, "Give every bus its base voltage in kV, or none of them")
        return kv

    def _buses_of(self, table: str, rows: FloatArray, column: int) -> IntArray:
        """Rows of the bus table to which a column of bus numbers refers."""
        order = np.argsort(self.bus[:, BUS_I])
        known = self.bus[order, BUS_I]
        place = np.minimum(np.searchsorted(known, rows[:, column]), len(known) - 1)
        self._refuse(
            table, known[place] != rows[:, column], column, rows[:, column], "Name a bus of the bus table"
        )
        found: IntArray = order[place]
        return found

    def _check_rest(self) -> None:
        rate, tap = self.branch[:, RATE_A], self.branch[:, TAP]
        self._refuse("branch", rate < 0, RATE_A, rate, "Give an MVA rating, or 0 for none")
        no_ratio = (tap != 0) & ((tap < 1 / LARGEST_RATIO) | (tap > LARGEST_RATIO))
        hint = f"Give a ratio from {1 / LARGEST_RATIO:g} to {LARGEST_RATIO:g}, or 0 for a line"
        self._refuse("branch", no_ratio, TAP, tap, hint)
        lines = self.case.get("dcline")
        if isinstance(lines, np.ndarray) and lines.size:
            on = np.flatnonzero(lines[:, 2] > 0) if lines.ndim == 2 and lines.shape[1] > 2 else np.arange(1)
            if len(on):
                raise self._fault(
                    f"mpc.dcline row {on[0] + 1}",
                    "is a direct-current line in service, which is not modelled",
                    "Set its status to 0 and give its two ends as loads",
                )
        more = sorted(set(self.case) - set(NAMES) - set(NOT_USED) - {"baseMVA", "dcline"})
        if more:
            log.warning("%s: not read: %s", self.path, ", ".join(f"mpc.{name}" for name in more))

    # The net

    def net(self) -> pandapowerNet:
        """The case as a pandapower net. Its frequency, 50 Hz, has no effect."""
        net = pp.create_empty_network(sn_mva=self.base_mva)
        bus = self.bus
        self.index: IntArray = bus[:, BUS_I].astype(np.int64) - 1
        pp.create_buses(
            net,
            len(bus),
            vn_kv=self.kv,
            name=self._bus_names(),
            zone=bus[:, ZONE],
            in_service=bus[:, BUS_TYPE] != ISOLATED,
            max_vm_pu=bus[:, VMAX],
            min_vm_pu=bus[:, VMIN],
            index=self.index,
        )
        self._add_loads(net)
        self._add_generators(net)
        line = (self.kv[self.start] == self.kv[self.end]) & (self.branch[:, SHIFT] == 0)
        line &= np.isin(self.branch[:, TAP], (0, 1))
        self._add_lines(net, np.flatnonzero(line))
        self._add_transformers(net, np.flatnonzero(~line))
        return net

    def _bus_names(self) -> list[str] | None:
        names = self.case.get("bus_name")
        items = names.items if isinstance(names, Cell) else names
        if not isinstance(items, np.ndarray) or items.size != len(self.bus):
            return None
        return [str(np.asarray(item).item() if np.size(item) == 1 else "") for item in items.ravel()]

    def _add_loads(self, net: pandapowerNet) -> None:
        p, q = self.bus[:, PD], self.bus[:, QD]
        load = (p > 0) | ((p == 0) & (q != 0))
        pp.create_loads(net, self.index[load], p_mw=p[load], q_mvar=q[load], controllable=False)
        fed = p < 0
        if fed.any():
            pp.create_sgens(net, self.index[fed], p_mw=-p[fed], q_mvar=-q[fed], type="", controllable=False)
        g, b = self.bus[:, GS], self.bus[:, BS]
        shunt = (g != 0) | (b != 0)
        if shunt.any():
            pp.create_shunts(net, self.index[shunt], p_mw=g[shunt], q_mvar=-b[shunt])

    def _add_generators(self, net: pandapowerNet) -> None:
        """The reference, generators that hold a voltage, and further generators at the same buses."""
        gen, at = self.gen, self.gen_bus
        on = gen[:, GEN_STATUS] > 0
        kind = self.bus[at, BUS_TYPE]
        holds = np.zeros(len(gen), dtype=bool)
        order = np.lexsort((np.arange(len(gen)), ~on))  # those in service first
        holds[order[np.unique(at[order], return_index=True)[1]]] = True
        vm = np.ones(len(self.bus))
        vm[at[~on]] = gen[~on, VG]
        vm[at[on]] = gen[on, VG]  # the last of a bus sets it, as in MATPOWER's runpf
        reference, steady = holds & (kind == REF), holds & (kind == PV)
        for k in np.flatnonzero(reference):
            pp.create_ext_grid(
                net,
                int(self.index[at[k]]),
                vm_pu=vm[at[k]],
                va_degree=self.bus[at[k], VA],
                in_service=bool(on[k]),
                max_p_mw=gen[k, PMAX],
                min_p_mw=gen[k, PMIN],
                max_q_mvar=gen[k, QMAX],
                min_q_mvar=gen[k, QMIN],
            )
        for rows, create in ((steady, pp.create_gens), (~reference & ~steady, pp.create_sgens)):
            if not rows.any():
                continue
            own = (
                {"vm_pu": vm[at[rows]]} if create is pp.create_gens else {"q_mvar": gen[rows, QG], "type": ""}
            )
            create(
                net,
                self.index[at[rows]],
                p_mw=gen[rows, PG],
                sn_mva=gen[rows, MBASE],
                in_service=on[rows] & (kind[rows] != ISOLATED),
                max_p_mw=gen[rows, PMAX],
                min_p_mw=gen[rows, PMIN],
                max_q_mvar=gen[rows, QMAX],
                min_q_mvar=gen[rows, QMIN],
                controllable=True,
                **own,
            )

    def _add_lines(self, net: pandapowerNet, rows: IntArray) -> None:
        if not len(rows):
            return
        branch, kv = self.branch[rows], self.kv[self.end[rows]]
        ohm = kv**2 / self.base_mva
        limited = (branch[:, RATE_A] > 0) & (branch[:, RATE_A] <= LARGEST)
        pp.create_lines_from_parameters(
            net,
            self.index[self.start[rows]],
            self.index[self.end[rows]],
            length_km=1.0,
            r_ohm_per_km=branch[:, BR_R] * ohm,
            x_ohm_per_km=branch[:, BR_X] * ohm,
            c_nf_per_km=branch[:, BR_B] / ohm / (2 * np.pi * net.f_hz) * 1e9,
            max_i_ka=np.where(limited, branch[:, RATE_A] / kv / np.sqrt(3.0), np.nan),
            type="ol",
            max_loading_percent=100.0,
            in_service=branch[:, BR_STATUS] > 0,
        )

    def _add_transformers(self, net: pandapowerNet, rows: IntArray) -> None:
        """Transformers with the ratio at the high-voltage side; a ratio at the low-voltage side is converted.

        A branch z with the ratio t at its from end is, seen from its to end, z t^2 with the ratio 1 / t.
        """
        if not len(rows):
            return
        branch, start, end = self.branch[rows], self.start[rows], self.end[rows]
        ratio: FloatArray = np.where(branch[:, TAP] == 0, 1.0, branch[:, TAP])
        up = self.kv[start] < self.kv[end]
        hv, lv = np.where(up, end, start), np.where(up, start, end)
        seen = np.where(up, ratio**2, 1.0) / self.base_mva
        r, x = branch[:, BR_R] * seen, branch[:, BR_X] * seen
        limited = (branch[:, RATE_A] > 0) & (branch[:, RATE_A] <= LARGEST)
        rated: FloatArray = np.where(limited, branch[:, RATE_A], NO_RATING_MVA)
        step = np.where(up, 1.0 / ratio, ratio) - 1.0
        on = branch[:, BR_STATUS] > 0
        pp.create_transformers_from_parameters(
            net,
            self.index[hv],
            self.index[lv],
            sn_mva=rated,
            vn_hv_kv=self.kv[hv],
            vn_lv_kv=self.kv[lv],
            vkr_percent=r * rated * 100.0,
            vk_percent=np.where(x < 0, -1.0, 1.0) * np.hypot(r, x) * rated * 100.0,
            pfe_kw=0.0,
            i0_percent=0.0,
            shift_degree=np.where(up, -1.0, 1.0) * branch[:, SHIFT],
            tap_side="hv",
            tap_neutral=0,
            tap_pos=1,
            tap_step_percent=step * 100.0,
            tap_changer_type=[("Ratio" if off else None) for off in step != 0],
            max_loading_percent=100.0,
            in_service=on,
        )
        charged = branch[:, BR_B] != 0
        if charged.any():
            half = -branch[charged, BR_B] / 2 * self.base_mva
            for buses, mvar in ((start, half / ratio[charged] ** 2), (end, half)):
                pp.create_shunts(net, self.index[buses[charged]], q_mvar=mvar, in_service=on[charged])
