"""A case under one scheme as a function of bids: the market of strategic sellers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tandem_sim.grids.power_flow.constraints import GridConstraints, transmission_constraints
from tandem_sim.grids.power_flow.dc import TransmissionGrid
from tandem_sim.grids.power_flow.operator_model import OperatorModel
from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import FloatArray, IntArray
from tandem_sim.markets.cases.case import Case, CaseArea, GateForecasts, check_prices
from tandem_sim.markets.cases.clear import (
    bought_mvar,
    forecasts_by_gate,
    open_case,
    paid_by_operator,
    rows_with,
)
from tandem_sim.markets.clearing.solvers import solving_by
from tandem_sim.markets.coordination.block import TSO, Scheme
from tandem_sim.markets.coordination.driver import run_scheme
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.coordination.operator_state import AreaState, OperatorState, SystemState
from tandem_sim.markets.coordination.state import book_entries
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.orders.penalties import (
    admitting,
    largest,
    overload_eur_per_mwh,
    voltage_eur_per_h_pu2,
)
from tandem_sim.markets.orders.zones import Zones

FIXED_COLUMNS = ("bid_id", "node", "direction", "demand", "held_mw")
"""Columns of bids that a seller cannot choose."""


@dataclass(frozen=True, kw_only=True)
class Played:
    """Market result for given bids. Arrays (n,) are per bid of a system's book; money is in EUR/h.

    Receipts of a seller are signed like prices: a down bid that pays receives a negative amount. Costs are
    the true ones, whatever was bid; the value of purchases of companies counts as negative cost.
    """

    sold_mw: Mapping[str, FloatArray]  # system -> (n,)
    received_eur_per_h: Mapping[str, FloatArray]  # system -> (n,)
    profit_eur_per_h: dict[str, float]  # seller -> received, less the true cost of what it sold
    cost_eur_per_h: float  # true cost of everything sold
    paid_eur_per_h: dict[str, float]  # by payer: each DSO by its area, and the TSO
    unserved_mw: float
    penalty_eur_per_h: float
    """Violations of limits of all grids after all markets, by the linear models, at the penalties of the
    auctions (EUR/h). Schemes that ignore the limits of a grid can so be compared with schemes that include
    them."""


class CaseMarket:
    """A case under one scheme, cleared repeatedly for other bids, by the faster of the two solvers.

    What does not depend on bids is computed once. Zones of a static prequalification are those of the
    truthful books and the case's own base state: their study is made once a year, not for every ISP.
    """

    def __init__(
        self,
        case: Case,
        scheme: Scheme,
        seller_of: Mapping[str, str] | None = None,
        balance_node: int | None = None,
    ) -> None:
        """`seller_of` gives the seller of every bid id; by default it is the bid's provider.

        `balance_node` of transmission balances shifted schedules; by default it is the node with the largest
        injection. Raises ValueError for a bid without seller and for an unknown node.
        """
        p_mw = case.transmission.p_mw
        if balance_node is not None and not 0 <= balance_node < len(p_mw):
            raise ValueError(f"balance_node {balance_node} is no node of transmission, 0 to {len(p_mw) - 1}")
        self.case = case
        self.scheme = scheme
        self.balance_node = int(np.argmax(p_mw)) if balance_node is None else balance_node
        self.books: dict[str, Bids] = {TSO: case.tso_bids, **{k: a.bids for k, a in case.areas.items()}}
        owners = {system: _owners(bids, seller_of) for system, bids in self.books.items()}
        self.sellers: tuple[str, ...] = tuple(sorted({name for names in owners.values() for name in names}))
        self._rows: dict[str, dict[str, IntArray]] = {seller: {} for seller in self.sellers}
        for system, names in owners.items():
            for seller in set(names):
                self._rows[seller][system] = np.flatnonzero(np.array(names) == seller)
        self._base = _Opened.of(case, scheme, {})
        areas = self._base.states.areas
        self._zones = {k: area.zones for k, area in areas.items() if area.knows("zones")}
        self._last: tuple[tuple[tuple[str, bytes], ...], _Opened] = ((), self._base)

    def rows_of(self, seller: str) -> dict[str, IntArray]:
        """Positions of a seller's bids by system. Raises ValueError for an unknown seller."""
        if seller not in self._rows:
            raise ValueError(f"{seller} has no bids in this case; sellers are {', '.join(self.sellers)}")
        return dict(self._rows[seller])

    def play(
        self,
        books: Mapping[str, Bids] | None = None,
        shift_mw: Mapping[str, FloatArray] | None = None,
    ) -> Played:
        """Clear the case for given bids, and for shifted schedules.

        `books` by system replace the truthful ones: the same bids in the same order, with other prices,
        quantities (no more than owned) and consent to forwarding. `shift_mw` by system (N,) is injected
        beside the base state, because sellers have sold as much more day-ahead; the balance node takes the
        opposite, so the need of the system does not change. The forecasts of a case are shifted like its base
        state. Raises ValueError for invalid bids or shifts, and an `InputError` for a bid beyond the price
        limit of the case.
        """
        bid = {**self.books, **self._checked(books or {})}
        opened = self._opened(shift_mw or {})
        ledger = Ledger()
        states = opened.states.copy()
        for system, bids in bid.items():
            states.update(system, book_entries(system, bids, ledger))
        admitted = largest([opened.case.admitted_eur_per_mwh, *(bids.price for bids in bid.values())])
        with solving_by("highspy"), admitting(admitted):
            run_scheme(self.scheme, states, ledger, forecasts_by_gate(opened.case, states))
            return self._played(opened.case, states, ledger)

    def _played(self, case: Case, states: OperatorState, ledger: Ledger) -> Played:
        sold = {system: ledger.sold(system) for system in self.books}
        received = {system: np.zeros(len(bids)) for system, bids in self.books.items()}
        for systems in ledger.paid.values():
            for system, amounts in systems.items():
                received[system] += amounts
        cost = {system: bids.signed_price * sold[system] for system, bids in self.books.items()}
        earned = {system: received[system] - cost[system] for system in self.books}
        return Played(
            sold_mw=sold,
            received_eur_per_h=received,
            profit_eur_per_h={
                seller: float(sum(earned[system][rows].sum() for system, rows in places.items()))
                for seller, places in self._rows.items()
            },
            cost_eur_per_h=float(sum(c.sum() for c in cost.values())),
            paid_eur_per_h=paid_by_operator(self.scheme, ledger),
            unserved_mw=ledger.unserved_mw(),
            penalty_eur_per_h=self._penalty(case, states, sold),
        )

    def _penalty(self, case: Case, states: OperatorState, sold: Mapping[str, FloatArray]) -> float:
        """Penalties (EUR/h) of all limits that the dispatch `sold` violates."""
        grid, total = case.transmission, 0.0
        p = grid.p_mw + self.books[TSO].injection_mw(sold[TSO], len(grid.p_mw))
        for name, area in case.areas.items():
            n = area.network.n_nodes
            dp = self.books[name].injection_mw(sold[name], n)
            dq = area.reactive.injection_mw(bought_mvar(area, states.area(name)), n)
            total += broken_eur_per_h(rows_with(area, dq).after(dp))
            p[grid.interface_node[name]] -= grid.interface_mw[name] - float(dp.sum())
        return total + broken_eur_per_h(transmission_constraints(grid.dc, p))

    def _opened(self, shift_mw: Mapping[str, FloatArray]) -> _Opened:
        """The case with shifted schedules, ready for books; the last one is kept."""
        shift = {s: self._shift(s, given) for s, given in shift_mw.items()}
        moved = {s: mw for s, mw in shift.items() if mw.any()}
        if not moved:
            return self._base
        key = tuple((s, moved[s].tobytes()) for s in sorted(moved))
        if self._last[0] != key:
            shifted = shifted_case(self.case, moved, self.balance_node)
            self._last = key, _Opened.of(shifted, self.scheme, self._zones)
        return self._last[1]

    def _shift(self, system: str, given: FloatArray) -> FloatArray:
        self._known(system, "shift_mw")
        network = self.case.transmission.dc.network if system == TSO else self.case.areas[system].network
        values = np.asarray(given, dtype=np.float64)
        if values.shape != (network.n_nodes,):
            raise ValueError(f"shift_mw of {system} has shape {values.shape}, expected ({network.n_nodes},)")
        if not np.isfinite(values).all():
            raise ValueError(f"shift_mw of {system}: must be finite numbers")
        return values

    def _checked(self, books: Mapping[str, Bids]) -> Mapping[str, Bids]:
        """The books, if they are valid bids."""
        for system, bids in books.items():
            self._known(system, "books")
            own = self.books[system]
            for name in FIXED_COLUMNS:
                mine, bid = getattr(own, name), getattr(bids, name)
                if mine is not bid and not np.array_equal(mine, bid):
                    raise ValueError(
                        f"books of {system}: {name} differs from that of the case; only price, quantity_mw "
                        "and forwardable may"
                    )
            for name in ("price", "quantity_mw"):
                if not np.isfinite(getattr(bids, name)).all():
                    raise ValueError(f"books of {system}: {name} must be finite numbers")
            over = bids.quantity_mw - own.quantity_mw
            if (over > NEGLIGIBLE_MW).any():
                k = int(np.argmax(over))
                raise ValueError(
                    f"books of {system}: {bids.bid_id[k]} offers {bids.quantity_mw[k]:g} MW of "
                    f"{own.quantity_mw[k]:g} MW that it owns"
                )
            if (bids.quantity_mw < 0.0).any():
                raise ValueError(f"books of {system}: quantity_mw must not be negative")
        check_prices(books, self.case.options.price_limit_eur_per_mwh, f"case {self.case.name}")
        return books

    def _known(self, system: str, what: str) -> None:
        if system not in self.books:
            raise ValueError(f"{what}: {system} is no system of the case; it has {', '.join(self.books)}")


@dataclass(frozen=True)
class _Opened:
    """A case and its operator states, of which every play replaces the entries of the books."""

    case: Case
    states: OperatorState

    @classmethod
    def of(cls, case: Case, scheme: Scheme, zones: Mapping[str, Zones]) -> _Opened:
        """`zones` by area are those already computed."""
        areas = {k: replace(a, zones=zones.get(k, a.zones)) for k, a in case.areas.items()}
        states, _ = open_case(replace(case, areas=areas), scheme)
        return cls(case, states)


def _owners(bids: Bids, seller_of: Mapping[str, str] | None) -> list[str]:
    if seller_of is None:
        return [str(name) for name in bids.provider.tolist()]
    missing = [bid for bid in bids.bid_id.tolist() if bid not in seller_of]
    if missing:
        raise ValueError(f"seller_of names no seller of bid {missing[0]}")
    return [seller_of[bid] for bid in bids.bid_id.tolist()]


def broken_eur_per_h(rows: GridConstraints) -> float:
    """Penalties in an auction of the limits that a state violates (EUR/h): penalty times excess."""
    over = np.maximum(rows.flow_mw - rows.flow_max_mw, 0.0) + np.maximum(rows.flow_min_mw - rows.flow_mw, 0.0)
    volts = np.maximum(rows.w_pu2 - rows.w_max_pu2, 0.0) + np.maximum(rows.w_min_pu2 - rows.w_pu2, 0.0)
    return float(overload_eur_per_mwh() * over.sum() + voltage_eur_per_h_pu2() * volts.sum())


def shifted_case(case: Case, shift_mw: Mapping[str, FloatArray], balance_node: int) -> Case:
    """A case in which sellers have sold `shift_mw` (N,) more day-ahead, by system; forecasts shift as well.

    Transmission takes the opposite at `balance_node`. The scheduled flow at a boundary follows the trades of
    its area. Raises ValueError where an AC offset has no solution.
    """
    areas = {k: _shifted_area(k, a, shift_mw[k]) if k in shift_mw else a for k, a in case.areas.items()}

    def shifted_grid(grid: TransmissionGrid) -> TransmissionGrid:
        p = grid.p_mw + shift_mw.get(TSO, 0.0)
        p[balance_node] -= sum(float(mw.sum()) for mw in shift_mw.values())
        flows = {a: f - float(np.sum(shift_mw.get(a, 0.0))) for a, f in grid.interface_mw.items()}
        return replace(grid, p_mw=p, interface_mw=flows)

    def shifted_entries(name: str, state: AreaState) -> AreaState:
        if name not in shift_mw:
            return state
        return areas[name].entries(state.forecast.p_mw + shift_mw[name], state.forecast.q_mvar)

    forecasts = {
        gate: GateForecasts(
            {name: shifted_entries(name, state) for name, state in given.areas.items()},
            None if given.tso is None else SystemState(grid=shifted_grid(given.tso.grid)),
        )
        for gate, given in case.forecasts.items()
    }
    transmission = shifted_grid(case.transmission)
    return replace(case, transmission=transmission, areas=areas, forecasts=forecasts)


def _shifted_area(name: str, area: CaseArea, shift_mw: FloatArray) -> CaseArea:
    """An area with MW (N,) injected beside its base state; constraints of a linear offset shift exactly."""
    network = replace(area.network, p_mw=area.network.p_mw + shift_mw)
    scheduled = None if area.scheduled_mw is None else area.scheduled_mw - float(shift_mw.sum())
    if area.offset == "linear":
        return replace(area, network=network, rows=area.rows.after(shift_mw), scheduled_mw=scheduled)
    rows = OperatorModel(area.lin, area.power_flow, area.offset).rows(network.p_mw, network.q_mvar)
    if rows is None:
        raise ValueError(f"shift_mw of {name}: the AC power flow has no solution")
    return replace(area, network=network, rows=rows, scheduled_mw=scheduled)
