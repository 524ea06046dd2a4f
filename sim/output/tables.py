"""The tables of a run: their columns, in order, and the types of these."""

from __future__ import annotations

import pyarrow as pa

INT, REAL, TEXT, BOOL = pa.int64(), pa.float64(), pa.string(), pa.bool_()


def _columns(**kinds: str) -> dict[str, pa.DataType]:
    """Columns of a table by type: names separated by blanks, ISP first."""
    types = {"integer": INT, "real": REAL, "text": TEXT, "boolean": BOOL}
    return {"isp": INT, **{name: types[kind] for kind, names in kinds.items() for name in names.split()}}


TABLES: dict[str, dict[str, pa.DataType]] = {
    "system": _columns(
        real="day_ahead_price_eur_per_mwh imbalance_price_long_eur_per_mwh "
        "imbalance_price_short_eur_per_mwh imbalance_before_mw need_forecast_mw "
        "activated_up_mw activated_down_mw imbalance_after_mw unserved_mw battery_soc ev_charged_mwh "
        "indoor_deviation_k curtailed_mwh limits_lost_mwh ordered_mwh delivered_mwh",
    ),
    "bids": _columns(
        text="system bid_id provider",
        integer="node direction",
        boolean="demand",
        real="quantity_mw price_eur_per_mwh",
    ),
    "rejections": _columns(text="system bid_id reason"),
    "clearings": _columns(
        text="system market status",
        real="need_mw exchange_mw cost_eur_per_h short_mw long_mw price_eur_per_mwh penalty_eur_per_h",
    ),
    "activations": _columns(
        text="system market bid_id provider purpose",
        integer="node direction",
        real="quantity_mw price_eur_per_mwh",
    ),
    "sellers": _columns(
        text="system provider",
        integer="direction",
        real="available_mw offered_mw sold_mw price_eur_per_mwh cost_eur_per_mwh "
        "offered_cost_eur_per_mwh received_eur_per_h cost_eur_per_h",
    ),
    "schedules": _columns(
        text="unit", real="p_mw price_eur_per_mwh cost_eur_per_h markup_eur_per_mwh ramp_excess_mw"
    ),
    "grid": _columns(
        text="system",
        boolean="converged base_converged",
        integer="congested_lines voltage_violations base_congested_lines base_voltage_violations "
        "linear_congested_lines linear_voltage_violations",
        real="interface_mw losses_mw max_loading_pct vm_min_pu vm_max_pu max_overload_pct "
        "max_voltage_violation_pct base_max_overload_pct flow_error_mw voltage_error_pu",
    ),
    "bid_checks": _columns(
        text="system market",
        boolean="accepted",
        real="offered_up_mw offered_down_mw allowed_up_mw allowed_down_mw",
    ),
    "flexibility_register": _columns(text="provider system unit service event reason", real="up_mw down_mw"),
    "flexibility_study": _columns(
        text="system unit event applicant reason",
        integer="node devices at_s",
        real="single_phase_kva three_phase_kva up_mw down_mw until_s",
    ),
    "capacity_bids": _columns(
        text="operator service provider system",
        integer="isps direction",
        boolean="forwarded",
        real="offered_mw awarded_mw price_eur_per_mw_h",
    ),
    "capacity": _columns(
        text="operator service provider",
        integer="direction",
        real="obligation_mw offered_mw fulfilled_mw pay_eur_per_h",
    ),
    "amendments": _columns(
        text="system provider bid_id reason",
        real="quantity_mw new_quantity_mw price_eur_per_mwh new_price_eur_per_mwh",
    ),
    "baselines": _columns(
        text="provider system method",
        boolean="used",
        integer="meters covered",
        real="true_mw error_mw absolute_error_mw",
    ),
    "fallbacks": _columns(text="party about consequence"),
    "reserve": _columns(
        integer="regulation_state terminated_bids",
        real="surplus_mw error_mw error_without_mw up_mw down_mw up_max_mw down_max_mw outside_band_mw",
    ),
    "reserve_volumes": _columns(
        text="provider",
        integer="start_s direction stable_s",
        boolean="within_band",
        real="requested_mwh delivered_mwh stable_requested_mw stable_delivered_mw",
    ),
    "reactive": _columns(
        text="system bid_id provider", integer="node direction", real="quantity_mvar price_eur_per_mvarh"
    ),
    "low_voltage": _columns(
        text="lv_feeder",
        integer="active_contracts",
        boolean="safe base_safe unconstrained_safe",
        real="loading_pct unconstrained_loading_pct vm_min_pu vm_max_pu unconstrained_vm_min_pu "
        "unconstrained_vm_max_pu net_kw unconstrained_kw "
        "withheld_kwh shed_kwh offer_up_kw offer_down_kw free_offer_up_kw free_offer_down_kw",
    ),
    "non_firm": _columns(
        text="dso lv_feeder cause",
        integer="lead_s contracts most_used",
        boolean="solved",
        real="excess_pct import_kw export_kw",
    ),
    "substitution": _columns(
        text="provider",
        integer="direction",
        real="reserve_blocked_mw reserve_undelivered_mw energy_blocked_mw portfolio_mw aggregators_mw "
        "aggregators_eur_per_h tso_energy_mw tso_reserve_mw tso_called_mw",
    ),
    "curtailment_trades": _columns(text="lv_feeder buyer seller", real="kw gained_kw price_eur_per_mwh"),
    "settlement": _columns(text="payer payee kind", real="quantity_mwh amount_eur"),
    "messages": _columns(text="kind sender receiver", integer="sent_s delivered_s numbers", boolean="lost"),
}
"""Every table and its columns. A `time` column (UTC, start of the ISP) is added to each."""


def schema(table: str) -> pa.Schema:
    """Columns of a table as they are written, the time first."""
    return pa.schema([("time", pa.timestamp("s", tz="UTC")), *TABLES[table].items()])
