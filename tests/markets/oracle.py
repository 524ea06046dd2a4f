"""A slow second opinion on market clearing: raw pandapower tables, loops, dense matrices, nothing of Tandem.

Injection is positive, consumption negative, powers in MW and Mvar, flows positive towards the leaves,
impedances in p.u. on 1 MVA, ``w = vm_pu**2``. A bid is up (+1, more injection) or down (-1); a MW of it costs
``direction * price``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linprog

Array = npt.NDArray[np.float64]
UNSERVED, OVERLOAD, VOLTAGE = 1e4, 1e4, 1e6  # EUR/MWh, EUR/MWh, EUR/h per p.u.**2
NO_LIMIT_MVA = 9000.0
TOLERANCE = 1e-6  # of a limit


@dataclass(frozen=True, kw_only=True)
class Bid:
    """An offer to inject more (direction 1) or less (-1) at a pandapower bus; `system` is T or an area."""

    bid_id: str
    system: str
    bus: int
    direction: int
    quantity_mw: float
    price: float  # EUR/MWh


@dataclass(frozen=True, kw_only=True)
class Edge:
    """A branch in service from node `a` to node `b`: its ratio stands at `a`, its impedance at `b`."""

    label: str
    a: int
    b: int
    r: float
    x: float
    ratio: float
    limit_mva: float  # inf without a limit
    ground: complex = 0.0  # admittance to ground at each end, p.u.; that at `a` lies behind the ratio


@dataclass(frozen=True, kw_only=True)
class Feeder:
    """What feeds a node: ``w = gain w_parent - 2 (r P + x Q)``, the flow shared by parallel edges."""

    parent: int
    gain: float
    r: float
    x: float
    shares: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A quantity of a grid kept in a band; `effect` is per MW of every bid of an auction (n,)."""

    label: str
    base: float
    effect: Array
    low: float
    high: float
    penalty: float  # EUR/h per unit outside the band


def node_of(net: Any) -> dict[int, int]:
    """Buses in service -> electrical node, buses behind a closed bus-bus switch being one."""
    node = {int(bus): int(bus) for bus in net.bus.index[net.bus.in_service]}
    for switch in net.switch[(net.switch.et == "b") & net.switch.closed].itertuples():
        old, new = node[switch.element], node[switch.bus]
        node = {bus: new if at == old else at for bus, at in node.items()}
    return node


def injections(net: Any) -> tuple[dict[int, float], dict[int, float]]:
    """Base injection of every node (MW, Mvar); the reactive power of `gen` is not known and left out."""
    node = node_of(net)
    p, q = dict.fromkeys(node.values(), 0.0), dict.fromkeys(node.values(), 0.0)
    for table, sign in (("load", -1.0), ("sgen", 1.0), ("gen", 1.0), ("storage", -1.0)):
        for row in net[table][net[table].in_service].itertuples():
            p[node[row.bus]] += sign * row.scaling * row.p_mw
            q[node[row.bus]] += 0.0 if table == "gen" else sign * row.scaling * row.q_mvar
    return p, q


def edges(net: Any) -> list[Edge]:
    """Lines and transformers in service whose switches are all closed.

    A line that is open at one end hangs on the other, and ends in a node of its own: -1 less its index.
    """
    node = node_of(net)
    opened = {(s.et, s.element) for s in net.switch[~net.switch.closed].itertuples()}
    open_at = {
        (s.element, s.bus) for s in net.switch[~net.switch.closed & (net.switch.et == "l")].itertuples()
    }
    found = []
    for k, row in zip(net.line.index, net.line.itertuples(), strict=True):
        kv = net.bus.vn_kv[row.from_bus]
        limit = math.sqrt(3.0) * kv * row.max_i_ka * row.df * row.parallel
        ohm_km = row.length_km / row.parallel / kv**2
        r, x = row.r_ohm_per_km * ohm_km, row.x_ohm_per_km * ohm_km
        farad = row.c_nf_per_km * 1e-9 * row.length_km * row.parallel
        siemens = row.g_us_per_km * 1e-6 * row.length_km * row.parallel
        ground = complex(siemens, 2.0 * math.pi * net.f_hz * farad) * kv**2 / 2.0
        ends = [(bus, (k, bus) in open_at) for bus in (row.from_bus, row.to_bus)]
        if row.in_service and not all(is_open for _, is_open in ends):
            a, b = (-1 - k if is_open else node[bus] for bus, is_open in ends)
            found.append(
                Edge(
                    label=f"line {k}", a=a, b=b, r=r, x=x, ratio=1.0, limit_mva=_rating(limit), ground=ground
                )
            )
    for k, row in zip(net.trafo.index, net.trafo.itertuples(), strict=True):
        hv, lv = row.vn_hv_kv, row.vn_lv_kv
        if row.tap_side in ("hv", "lv") and row.tap_changer_type == "Ratio" and not pd.isna(row.tap_pos):
            turns = 1.0 + (row.tap_pos - row.tap_neutral) * row.tap_step_percent / 100.0
            hv, lv = (hv * turns, lv) if row.tap_side == "hv" else (hv, lv * turns)
        kv_hv, kv_lv = net.bus.vn_kv[row.hv_bus], net.bus.vn_kv[row.lv_bus]
        per_percent = (lv / kv_lv) ** 2 / 100.0 / row.sn_mva / row.parallel
        r, z = row.vkr_percent * per_percent, row.vk_percent * per_percent
        x, ratio = math.sqrt(z**2 - r**2), (hv / lv) / (kv_hv / kv_lv)
        limit = _rating(row.sn_mva * row.df * row.parallel)
        if row.in_service and ("t", k) not in opened:
            whole, ground = _star_as_triangle(complex(r, x), _magnetising(row, kv_lv / lv))
            a, b = node[row.hv_bus], node[row.lv_bus]
            found.append(
                Edge(
                    label=f"trafo {k}",
                    a=a,
                    b=b,
                    r=whole.real,
                    x=whole.imag,
                    ratio=ratio,
                    limit_mva=limit,
                    ground=ground,
                )
            )
    return found


def _magnetising(row: Any, turns: float) -> complex:
    """Admittance of a transformer's iron, p.u. on 1 MVA at its low-voltage side."""
    iron = row.pfe_kw / 1000.0
    idle = row.i0_percent / 100.0 * row.sn_mva
    y = complex(iron, -math.sqrt(max(idle**2 - iron**2, 0.0)))
    return y * float(turns**2 * row.parallel)


def _star_as_triangle(z: complex, y: complex) -> tuple[complex, complex]:
    """Half of `z` either side of an admittance `y`: as one impedance with an admittance at each end."""
    return z * (1.0 + z * y / 4.0), y / 2.0 / (1.0 + z * y / 4.0)


def _rating(mva: float) -> float:
    return mva if mva <= NO_LIMIT_MVA else math.inf


class Area:
    """A radial grid by LinDistFlow: a tree walked in full for every question."""

    def __init__(self, net: Any) -> None:
        self.net, self.node = net, node_of(net)
        slack = net.ext_grid[net.ext_grid.in_service].iloc[0]
        self.root, self.w_root = self.node[int(slack.bus)], float(slack.vm_pu) ** 2
        self.p, self.q = injections(net)
        self.limit_mva = {edge.label: edge.limit_mva for edge in edges(net)}
        self.feeder: dict[int, Feeder] = {}
        self.order = [self.root]  # parents before children
        left = edges(net)
        for at in self.order:
            near: dict[int, list[Edge]] = {}
            for edge in [e for e in left if at in (e.a, e.b)]:
                near.setdefault(edge.b if edge.a == at else edge.a, []).append(edge)
                left.remove(edge)
            for other, group in near.items():
                assert other not in self.feeder, "not radial"
                self.feeder[other] = _feeder(at, group)
                self.order.append(other)
        assert set(self.order) - {-1 - k for k in net.line.index} == set(self.node.values())
        self.ground = dict.fromkeys(self.order, 0j)  # admittance to ground of every node
        for edge in edges(net):
            self.ground[edge.a] += edge.ground / edge.ratio**2
            self.ground[edge.b] += edge.ground
        for row in net.shunt[net.shunt.in_service].itertuples():
            at_rated = complex(row.p_mw, -row.q_mvar) * row.step
            self.ground[self.node[row.bus]] += at_rated * (net.bus.vn_kv[row.bus] / row.vn_kv) ** 2
        self.drawn = self._drawn()

    def _drawn(self) -> dict[int, complex]:
        """What admittances draw in the base state (MW + j Mvar by node), by walking until nothing moves."""
        drawn = dict.fromkeys(self.order, 0j)
        for _ in range(100):
            last = drawn
            w = self.w(*self.less(last, {}))
            drawn = {node: y.conjugate() * w[node] for node, y in self.ground.items()}
            if max(abs(drawn[node] - last[node]) for node in drawn) < 1e-14:
                break
        return drawn

    def less(
        self, drawn: Mapping[int, complex], dp: Mapping[int, float]
    ) -> tuple[dict[int, float], dict[int, float]]:
        """Base injections (MW, Mvar by node) with a change of active power, less what admittances draw."""
        p = {n: self.p.get(n, 0.0) + dp.get(n, 0.0) - drawn[n].real for n in self.order}
        return p, {n: self.q.get(n, 0.0) - drawn[n].imag for n in self.order}

    def flows(self, injection: Mapping[int, float]) -> dict[str, float]:
        """Flow (MW or Mvar, towards the leaves) of every branch for injections by node."""
        below = {node: -injection.get(node, 0.0) for node in self.order}
        flow = {}
        for node in reversed(self.order[1:]):
            feeder = self.feeder[node]
            flow.update({label: share * below[node] for label, share in feeder.shares.items()})
            below[feeder.parent] += below[node]
        return flow

    def w(self, p: Mapping[int, float], q: Mapping[int, float]) -> dict[int, float]:
        """Squared voltage of every node for injections (MW, Mvar) by node."""
        flow_p, flow_q = self.flows(p), self.flows(q)
        w = {self.root: self.w_root}
        for node in self.order[1:]:
            f = self.feeder[node]
            into_p, into_q = (sum(flow[label] for label in f.shares) for flow in (flow_p, flow_q))
            w[node] = f.gain * w[f.parent] - 2.0 * (f.r * into_p + f.x * into_q)
        return w

    def band(self, bus: int) -> tuple[float, float]:
        """Voltage limits (p.u.) of a bus."""
        row = self.net.bus.loc[bus]
        low, high = (row.get(column, math.nan) for column in ("min_vm_pu", "max_vm_pu"))
        return (0.9 if pd.isna(low) else float(low)), (1.1 if pd.isna(high) else float(high))

    def limits(self, bids: Sequence[Bid], mine: str, dp: Mapping[int, float]) -> list[Limit]:
        """All limits of this area (id `mine`) after injections changed by `dp` (MW by node)."""
        p, q = self.less(self.drawn, dp)
        units = [{self.node[b.bus]: float(b.direction)} if b.system == mine else {} for b in bids]
        flow, flow_q, flows = self.flows(p), self.flows(q), [self.flows(u) for u in units]
        w, none, ws = self.w(p, q), self.w({}, {}), [self.w(u, {}) for u in units]
        found = []
        for label, mva in self.limit_mva.items():
            if math.isfinite(mva):
                mw = math.sqrt(max(mva**2 - flow_q[label] ** 2, 0.0))
                effect = np.array([f[label] for f in flows])
                found.append(
                    Limit(
                        label=f"{mine} {label}",
                        base=flow[label],
                        effect=effect,
                        low=-mw,
                        high=mw,
                        penalty=OVERLOAD,
                    )
                )
        for node in dict.fromkeys(self.node.values()):
            bands = [self.band(bus) for bus, at in self.node.items() if at == node]
            low, high = max(b[0] for b in bands) ** 2, min(b[1] for b in bands) ** 2
            effect = np.array([u[node] - none[node] for u in ws])
            found.append(
                Limit(
                    label=f"{mine} node {node}",
                    base=w[node],
                    effect=effect,
                    low=low,
                    high=high,
                    penalty=VOLTAGE,
                )
            )
        return found


def _feeder(parent: int, group: Sequence[Edge]) -> Feeder:
    """Parallel edges as one; they must agree in ratio and in the angle of their impedance."""
    ratios = [e.ratio if e.a == parent else 1.0 / e.ratio for e in group]
    impedances = [complex(e.r, e.x) * (1.0 if e.a == parent else e.ratio**2) for e in group]
    assert max(ratios) - min(ratios) < 1e-12
    total = 1.0 / sum(1.0 / z for z in impedances)
    shares = {e.label: (total / z).real for e, z in zip(group, impedances, strict=True)}
    assert all(abs((total / z).imag) < 1e-9 for z in impedances)
    return Feeder(parent=parent, gain=1.0 / ratios[0] ** 2, r=total.real, x=total.imag, shares=shares)


def transmission_limits(net: Any, p: Mapping[int, float], at: Sequence[int], direction: Array) -> list[Limit]:
    """DC limits at injections `p` (MW by node); bids act at transmission nodes `at`."""
    node, lines = node_of(net), edges(net)
    place = {n: k for k, n in enumerate(sorted(set(node.values())))}
    root = place[node[int(net.ext_grid[net.ext_grid.in_service].bus.iloc[0])]]
    incidence, susceptance = np.zeros((len(lines), len(place))), np.zeros(len(lines))
    for k, edge in enumerate(lines):
        incidence[k, place[edge.a]], incidence[k, place[edge.b]] = 1.0, -1.0
        susceptance[k] = 1.0 / (edge.x * edge.ratio)
    b_matrix = incidence.T @ (susceptance[:, None] * incidence)
    keep = [k for k in range(len(place)) if k != root]
    ptdf = np.zeros_like(incidence)
    ptdf[:, keep] = (susceptance[:, None] * incidence)[:, keep] @ np.linalg.inv(b_matrix[np.ix_(keep, keep)])
    injected = np.array([p[n] for n in sorted(place)])
    found = []
    for k, edge in enumerate(lines):
        base, effect, mva = (
            float(ptdf[k] @ injected),
            direction * [ptdf[k, place[n]] for n in at],
            edge.limit_mva,
        )
        if math.isfinite(mva):
            found.append(
                Limit(label=f"T {edge.label}", base=base, effect=effect, low=-mva, high=mva, penalty=OVERLOAD)
            )
    return found


def problem(
    cost: Array, upper: Array, limits: Sequence[Limit], direction: Array, need_mw: float, soft: bool
) -> tuple[Array, float]:
    """Cheapest MW of every bid (n,) that serves a need, and MW of need left unserved (0 unless `soft`).

    Limits are soft where their penalty is finite.
    """
    n, breakable = len(cost), [x for x in limits if math.isfinite(x.penalty)]
    prices = [*cost, UNSERVED, UNSERVED, *(x.penalty for x in breakable)]
    rows, room = [], []
    for x in limits:
        excess = [-1.0 if x is other else 0.0 for other in breakable]
        for side, space in ((1.0, x.high - x.base), (-1.0, x.base - x.low)):
            rows.append([*(side * x.effect), 0.0, 0.0, *excess])
            room.append(space)
    balance = [[*direction, 1.0, -1.0, *(0.0 for _ in breakable)]]
    bounds = (
        [(0.0, most) for most in upper] + [(0.0, None if soft else 0.0)] * 2 + [(0.0, None)] * len(breakable)
    )
    answer = linprog(prices, rows, room, balance, [need_mw], bounds, method="highs")
    assert answer.status == 0, answer.message
    mw = np.asarray(answer.x, dtype=np.float64)
    return mw[:n], float(mw[n] + mw[n + 1])


def envelope(
    bids: Sequence[Bid], upper: Array, limits: Sequence[Limit], system: str, direction: int
) -> Array:
    """Price-based operating envelope: MW of the bids (n,) of one system and direction, zero for all others.

    A limit that the present state breaks is moved to that state, and its other side stays where it is.
    """
    mine = [b.system == system and b.direction == direction for b in bids]
    prices = [b.price for b, own in zip(bids, mine, strict=True) if own]
    if not prices:
        return np.zeros(len(bids))
    best = max(prices) if direction > 0 else min(prices)
    weight = np.array([1.0 + abs(best - b.price) for b in bids])
    held = not_aggravated(limits)
    return problem(-weight * mine, upper * mine, held, np.zeros(len(bids)), 0.0, soft=False)[0]


def not_aggravated(limits: Sequence[Limit]) -> list[Limit]:
    """Hard limits, of which one that the present state breaks is moved to that state, on that side."""
    return [replace(x, low=min(x.low, x.base), high=max(x.high, x.base), penalty=math.inf) for x in limits]


@dataclass(kw_only=True)
class Answer:
    """What a scheme did: money (EUR/h), safety of the distribution grids, volumes in MW."""

    cost: float = 0.0
    congested: int = 0
    overload_pct: float = 0.0
    voltage: int = 0
    depth_pct: float = 0.0
    unserved: float = 0.0
    interface: dict[str, float] = field(default_factory=dict)
    unqualified: dict[int, float] = field(default_factory=dict)  # percent by direction, if asked for
    sold: dict[str, float] = field(default_factory=dict)
    tight: set[str] = field(default_factory=set)  # limits that the final state reaches without breaking


class Market:
    """One case: a transmission net, areas by id with the transmission bus each hangs on, and bids."""

    def __init__(self, transmission: Any, areas: Mapping[str, tuple[Any, int]], bids: Sequence[Bid]) -> None:
        self.net, self.bids = transmission, list(bids)
        self.quantity = np.array([b.quantity_mw for b in bids])
        self.direction = np.array([float(b.direction) for b in bids])
        self.cost = self.direction * np.array([b.price for b in bids])
        self.node = node_of(transmission)
        self.areas = {name: Area(net) for name, (net, _) in areas.items()}
        self.hook = {name: self.node[bus] for name, (_, bus) in areas.items()}

    def clear(self, scheme: str) -> Answer:
        """Carry the case through a scheme."""
        sold, answer = np.zeros(len(self.bids)), Answer()
        if scheme in ("multilevel-01", "multilevel-03", "multilevel-04", "fragmented"):
            for name in self.areas:
                sold += self._local(name, sold)
        upper = self.quantity - sold
        if scheme == "multilevel-03":
            offered, upper = upper, self._qualified(sold, upper)
            for way in (1, -1):
                side = (self.direction == way) & ~self.of("T")
                answer.unqualified[way] = 100.0 * (1.0 - upper[side].sum() / offered[side].sum())
        if scheme == "fragmented":
            upper = upper * self.of("T")
        limits = self._transmission(sold)
        for name, area in self.areas.items():
            if scheme in ("common", "multilevel-04"):
                limits += area.limits(self.bids, name, self._moved(name, sold))
            if scheme == "central-03-relaxed":
                limits += not_aggravated(area.limits(self.bids, name, self._moved(name, sold)))
        need = -sum(self._injections(sold).values())
        bought, answer.unserved = problem(self.cost, upper, limits, self.direction, need, soft=True)
        return self._judge(sold + bought, answer)

    def of(self, system: str) -> npt.NDArray[np.bool_]:
        """Which bids (n,) belong to a system."""
        return np.array([b.system == system for b in self.bids])

    def _local(self, name: str, sold: Array) -> Array:
        """A local market that leaves the interface flow as it is."""
        upper = self.quantity * self.of(name)
        limits = self.areas[name].limits(self.bids, name, self._moved(name, sold))
        return problem(self.cost, upper, limits, self.direction, 0.0, soft=False)[0]

    def _qualified(self, sold: Array, offered: Array) -> Array:
        """What the TSO may take of every bid (MW), each area having limited its own."""
        allowed = offered * self.of("T")
        for name, area in self.areas.items():
            limits = area.limits(self.bids, name, self._moved(name, sold))
            for direction in (1, -1):
                allowed += envelope(self.bids, offered, limits, name, direction)
        return allowed

    def _moved(self, system: str, sold: Array) -> dict[int, float]:
        """Change of injection (MW) by node of a system, from what is sold of its bids."""
        node = self.node if system == "T" else self.areas[system].node
        moved: dict[int, float] = {}
        for b, mw in zip(self.bids, sold, strict=True):
            if b.system == system:
                moved[node[b.bus]] = moved.get(node[b.bus], 0.0) + b.direction * float(mw)
        return moved

    def _interface(self, sold: Array) -> dict[str, float]:
        """Flow from transmission into every area (MW)."""
        return {k: -sum(a.p.values()) - sum(self._moved(k, sold).values()) for k, a in self.areas.items()}

    def _injections(self, sold: Array) -> dict[int, float]:
        """Injection (MW) at every transmission node, the areas drawing their interface flows."""
        moved = self._moved("T", sold)
        p = {node: mw + moved.get(node, 0.0) for node, mw in injections(self.net)[0].items()}
        for name, z in self._interface(sold).items():
            p[self.hook[name]] -= z
        return p

    def _transmission(self, sold: Array) -> list[Limit]:
        at = [self.node[b.bus] if b.system == "T" else self.hook[b.system] for b in self.bids]
        return transmission_limits(self.net, self._injections(sold), at, self.direction)

    def _judge(self, sold: Array, answer: Answer) -> Answer:
        """Look at the final state: branches over their limit, buses outside their band, money and volumes."""
        for name, area in self.areas.items():
            limits = area.limits([], name, self._moved(name, sold))
            for x in limits:
                excess = max(x.base - x.high, x.low - x.base)
                answer.tight |= {x.label} if abs(excess) < TOLERANCE else set()
                if " node " not in x.label and excess > TOLERANCE * x.high + 1e-9:
                    answer.congested += 1
                    share = excess / x.high if x.high else math.inf  # no limit is left beside reactive flow
                    answer.overload_pct = max(answer.overload_pct, 100.0 * share)
            w = {x.label: x.base for x in limits}
            for bus, node in area.node.items():
                (low, high), vm = area.band(bus), math.sqrt(w[f"{name} node {node}"])
                depth = max(1.0 - vm / low, vm / high - 1.0)
                answer.voltage += depth > TOLERANCE
                answer.depth_pct = max(answer.depth_pct, 100.0 * depth if depth > TOLERANCE else 0.0)
        for x in self._transmission(sold):
            answer.tight |= {x.label} if abs(abs(x.base) - x.high) < TOLERANCE else set()
        answer.cost = float(self.cost @ sold)
        answer.interface = self._interface(sold)
        answer.sold = {b.bid_id: float(mw) for b, mw in zip(self.bids, sold, strict=True)}
        return answer
