"""Rows of tables that the model writes: grids, payments, activations, the whole system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tandem_sim.agents.base.agent import Record
from tandem_sim.agents.devices.classes.registry import STATE_COLUMNS
from tandem_sim.agents.households.fleet import FleetStep
from tandem_sim.agents.services.afrr import AfrrResult, within_band
from tandem_sim.agents.services.reserve_volumes import Volumes
from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.auctions.reactive_power import ReactiveTrade
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.orders.bids import Bids, StrArray
from tandem_sim.markets.settlement.payments import CapacityObligation, Payment
from tandem_sim.sim.delivery.physics import GridResult


def record_grids(record: Record, isp: int, grids: Mapping[str, GridResult]) -> None:
    """One row per grid after activation."""
    for system, g in grids.items():
        vm, base, linear = g.state.vm_pu, g.base, g.linear
        record(
            "grid",
            {
                "isp": isp,
                "system": system,
                "converged": g.state.converged,
                "interface_mw": g.interface_mw,
                "losses_mw": g.losses_mw,
                "max_loading_pct": float(g.state.loading_percent.max()),
                "vm_min_pu": float(vm.min()),
                "vm_max_pu": float(vm.max()),
                "congested_lines": g.after.lines,
                "max_overload_pct": g.after.max_overload_pct,
                "voltage_violations": None if system == T else g.after.buses,
                "max_voltage_violation_pct": None if system == T else g.after.max_voltage_pct,
                "base_converged": None if base is None else not base.diverged,
                "base_congested_lines": None if base is None else base.lines,
                "base_max_overload_pct": None if base is None else base.max_overload_pct,
                "base_voltage_violations": None if base is None else base.buses,
                "linear_congested_lines": None if linear is None else linear.lines,
                "linear_voltage_violations": None if linear is None else linear.buses,
                "flow_error_mw": g.flow_error_mw,
                "voltage_error_pu": g.voltage_error_pu,
            },
        )


def record_reserve(record: Record, isp: int, control: AfrrResult, state: int) -> None:
    """One row for the automatic reserve of an ISP: errors are root mean squares, the rest MW over the ISP."""
    net, without = control.net_mw, control.error_mw[1:] - control.net_mw[:-1]
    outside = ~within_band(control.requested_mean_mw, control.delivered_mean_mw)
    record(
        "reserve",
        {
            "isp": isp,
            "regulation_state": state,
            "terminated_bids": int(control.terminated.sum()),
            "surplus_mw": float(without.mean()),
            "error_mw": float(np.sqrt(np.mean(np.square(control.error_mw)))),
            "error_without_mw": float(np.sqrt(np.mean(np.square(without)))),
            "up_mw": float(np.maximum(net, 0.0).mean()),
            "down_mw": float(np.maximum(-net, 0.0).mean()),
            "up_max_mw": float(max(net.max(), 0.0)),
            "down_max_mw": float(max(-net.min(), 0.0)),
            "outside_band_mw": float(control.requested_mean_mw[outside].sum()),
        },
    )


def record_volumes(record: Record, isp: int, volumes: Volumes, providers: StrArray) -> None:
    """Rows of the five-minute comparisons of an ISP; `providers` names BSPs by number."""
    record(
        "reserve_volumes",
        {
            "isp": np.full(len(volumes.owner), isp),
            "start_s": volumes.start_s,
            "provider": providers[volumes.owner].tolist(),
            "direction": volumes.direction,
            "requested_mwh": volumes.requested_mwh,
            "delivered_mwh": volumes.delivered_mwh,
            "within_band": volumes.within_band,
            "stable_s": volumes.stable_s,
            "stable_requested_mw": volumes.stable_requested_mw,
            "stable_delivered_mw": volumes.stable_delivered_mw,
        },
    )


def record_settlement(
    record: Record, isp: int, payments: Sequence[Payment], ledger: Ledger, books: Mapping[str, Bids]
) -> None:
    """Payments, and awards by market and purpose; purchases of companies are payments only."""
    record(
        "settlement",
        {
            "isp": [isp] * len(payments),
            "payer": [p.payer for p in payments],
            "payee": [p.payee for p in payments],
            "kind": [p.kind for p in payments],
            "quantity_mwh": [p.quantity_mwh for p in payments],
            "amount_eur": [p.amount_eur for p in payments],
        },
    )
    for market, systems in ledger.markets.items():
        for system, award in systems.items():
            bids, why = books[system], ledger.purposes[market][system].by_name(award)
            mw = np.array(list(why.values()))
            won, kind = np.nonzero((mw.T > NEGLIGIBLE_MW) & ~bids.demand[:, None])
            names = list(why)
            record(
                "activations",
                {
                    "isp": np.full(len(won), isp),
                    "market": [market] * len(won),
                    "system": [system] * len(won),
                    "bid_id": bids.bid_id[won].tolist(),
                    "provider": bids.provider[won].tolist(),
                    "purpose": [names[k] for k in kind],
                    "node": bids.node[won],
                    "direction": bids.direction[won],
                    "quantity_mw": mw[kind, won],
                    "price_eur_per_mwh": bids.price[won],
                },
            )


def record_reactive(record: Record, isp: int, trades: Sequence[ReactiveTrade]) -> None:
    """Reactive power bought and delivered, one row per offer."""
    for trade in trades:
        offers, some = trade.offers, np.flatnonzero(trade.delivered_mvar > 0)
        record(
            "reactive",
            {
                "isp": np.full(len(some), isp),
                "system": [trade.system] * len(some),
                "bid_id": offers.bid_id[some].tolist(),
                "provider": offers.provider[some].tolist(),
                "node": offers.node[some],
                "direction": offers.direction[some],
                "quantity_mvar": trade.delivered_mvar[some],
                "price_eur_per_mvarh": offers.price[some],
            },
        )


def record_obligations(record: Record, isp: int, obligations: Sequence[CapacityObligation]) -> None:
    """Capacity obligations in an ISP, one row per operator, service, provider and direction."""
    for s in obligations:
        record(
            "capacity",
            {
                "isp": isp,
                "operator": s.operator,
                "service": s.service,
                "provider": s.provider,
                "direction": s.direction,
                "obligation_mw": s.obligation_mw,
                "offered_mw": s.offered_mw,
                "fulfilled_mw": s.fulfilled_mw,
                "pay_eur_per_h": s.pay_eur_per_h,
            },
        )


def record_system(
    record: Record,
    isp: int,
    hours: float,
    step: FleetStep,
    wanted_kw: FloatArray,
    sold: Mapping[str, tuple[Bids, FloatArray]],
    figures: Mapping[str, float],
) -> None:
    """One row for the whole system: given `figures`, activation of `sold` (MW per bid), and the fleet."""
    up = down = 0.0
    for bids, mw in sold.values():
        up += float(mw[(bids.direction > 0) & ~bids.demand].sum())
        down += float(mw[(bids.direction < 0) & ~bids.demand].sum())
    record(
        "system",
        {
            "isp": isp,
            **figures,
            "activated_up_mw": up,
            "activated_down_mw": down,
            **{column.name: step.measures.get(column.name, 0.0) for column in STATE_COLUMNS},
            "curtailed_mwh": step.curtailed_kw / 1000.0 * hours,
            "limits_lost_mwh": step.lost_kwh / 1000.0,
            "ordered_mwh": float(np.abs(wanted_kw).sum()) / 1000.0 * hours,
            "delivered_mwh": float(step.up_kw.sum() + step.down_kw.sum()) / 1000.0 * hours,
        },
    )
