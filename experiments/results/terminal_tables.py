"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from tandem_sim.experiments.results.kpis_conflicts import KEYS as CONFLICT_KEYS
from tandem_sim.experiments.results.kpis_non_firm import KEYS
from tandem_sim.grids.io.profiles import PROFILES, full_load_hours
from tandem_sim.markets.coordination.block import Scheme
from tandem_sim.sim.scenario.scenario import Scenario

KPI_ROWS: tuple[tuple[str, str, str], ...] = (
    ("procurement_cost_eur", "procurement cost of energy", "EUR"),
    ("afrr_energy_cost_eur", "  of the TSO's, aFRR", "EUR"),
    ("mfrr_energy_cost_eur", "  of the TSO's, mFRR", "EUR"),
    ("activated_mwh", "activated energy", "MWh"),
    ("activated_from_distribution_mwh", "  of it from distribution", "MWh"),
    ("violated_isps", "ISPs with a limit broken in distribution", "ISPs"),
    ("violated_isps_before_activation", "  without activation in that ISP", "ISPs"),
    ("violated_isps_created", "  broken by activation, safe without", "ISPs"),
    ("diverged_power_flows", "power flows without a solution", "grid-ISPs"),
    ("max_overload_pct", "worst overload", "% of rating"),
    ("voltage_violations", "bus voltages outside their band", "bus-ISPs"),
    ("max_voltage_violation_pct", "worst voltage violation", "% of limit"),
    ("local_markets_short_of_flexibility", "local markets that ran out of flexibility", "clearings"),
    ("held_back_mwh", "offers that DSOs held back from the TSO", "MWh"),
    ("held_back_pct", "  share of what was offered", "%"),
    ("left_to_tso_mwh", "flexibility left to the TSO after DSOs", "MWh"),
    ("left_to_tso_pct", "  share of what areas offer", "%"),
    ("bought_by_dsos_mwh", "bought by DSOs", "MWh"),
    ("conflict_undone_at_node_mwh", "  undone by the TSO at the same node", "MWh"),
    ("conflict_undone_at_node_pct", "    share of what DSOs bought", "%"),
    ("conflict_undone_at_node_eur", "    paid by both for it", "EUR"),
    ("conflict_undone_on_unit_mwh", "  undone on the very same unit", "MWh"),
    ("conflict_undone_on_unit_pct", "    share of what DSOs bought", "%"),
    ("bought_by_dsos_isps", "ISPs in which a DSO buys", "ISPs"),
    ("conflict_isps", "  in which some of it is undone", "ISPs"),
    ("round_trips", "units sold both ways in one ISP", "unit-ISPs"),
    ("stacking_units", "units paid for more than one service", "units"),
    ("stacking_revenue_pct", "  their share of all units' revenue", "%"),
    ("reserve_bids_stopped", "reserve bids that DSOs stopped inside an ISP", "bid-ISPs"),
    ("reserve_outside_band_pct", "aFRR requested and not delivered within its band", "%"),
    ("reserve_short_when_stable_pct", "stable periods of aFRR short of the request", "% of their time"),
    ("capacity_cost_eur", "capacity, less penalties", "EUR"),
    ("afrr_capacity_cost_eur", "  of the TSO's, aFRR", "EUR"),
    ("mfrr_capacity_cost_eur", "  of the TSO's, mFRR", "EUR"),
    ("capacity_obligation_mwh", "  stood ready by contract", "MW h"),
    ("capacity_missing_mwh", "  not offered by its sellers", "MW h"),
    ("capacity_blocked_mwh", "  offered, and held back by DSOs", "MW h"),
    ("shortfall_charges_eur", "charges for energy not delivered", "EUR"),
    ("qualifications_withdrawn", "qualifications withdrawn", ""),
    ("double_selling_refused", "attempts to sell twice, refused", "bids"),
    ("lv_unsafe_without_limits_pct", "LV feeders unsafe before activation, no limits", "% of feeder-ISPs"),
    ("lv_unsafe_with_limits_pct", "  before activation, with limits", "% of feeder-ISPs"),
    ("lv_unsafe_pct", "  as delivered", "% of feeder-ISPs"),
    ("lv_unsafe_by_activation_pct", "  safe but for the markets", "% of feeder-ISPs"),
    ("limits_activated", "activations of non-firm connections", "feeder-ISPs"),
    ("limits_unsolved", "  that were not enough", "feeder-ISPs"),
    ("limited_contract_hours", "  hours of all contracts under limits", "h"),
    ("most_activations", "  most of one contract in a year", ""),
    ("withheld_mwh", "  energy they kept from an ISP, or moved", "MWh"),
    ("lost_mwh", "  energy lost for good", "MWh"),
    ("shed_mwh", "    of it appliances switched off", "MWh"),
    ("lv_offers_left_up_pct", "offers up that limits leave to LV devices", "%"),
    ("lv_offers_left_down_pct", "offers down that limits leave to LV devices", "%"),
    ("blocked_energy_mwh", "orders that limits blocked", "MWh"),
    ("blocked_reserve_mwh", "reserve on offer and blocked by limits", "MW h"),
    ("reserve_undelivered_mwh", "  called and not delivered", "MWh"),
    ("reserve_opened_mwh", "  taken from slow bids that the TSO opened", "MWh"),
    ("substituted_by_portfolio_mwh", "  made good within portfolios", "MWh"),
    ("substituted_by_aggregators_mwh", "  made good by other aggregators", "MWh"),
    ("substituted_by_tso_mwh", "  replaced by the TSO", "MWh"),
    ("aggregator_substitution_cost_eur", "paid for help among aggregators", "EUR"),
    ("tso_substitution_cost_eur", "paid by the TSO for replacement", "EUR"),
    ("non_firm_compensation_eur", "compensation for limits", "EUR"),
    ("curtailment_traded_mwh", "curtailment traded among customers", "MWh"),
    ("fallbacks", "messages lost or late, with consequence", ""),
    ("numbers_shared", "numbers that operators told each other", ""),
    ("imbalance_before_mwh", "imbalance before activation", "MWh"),
    ("imbalance_after_mwh", "imbalance after activation", "MWh"),
    ("unserved_mwh", "unserved need", "MWh"),
    ("imbalance_price_mean_eur_per_mwh", "mean imbalance price", "EUR/MWh"),
    ("net_aggregators_eur", "net income of aggregators", "EUR"),
    ("net_households_eur", "paid to households", "EUR"),
    ("net_brps_eur", "net income of BRPs (imbalance)", "EUR"),
    ("delivered_pct", "delivered of what was sold", "%"),
    ("curtailed_mwh", "PV curtailed", "MWh"),
    ("losses_mwh", "distribution losses", "MWh"),
    ("isps_beyond_ramps", "ISPs scheduled beyond ramps", ""),
    ("messages", "messages", ""),
    ("flow_error_max_mw", "worst flow error of LinDistFlow", "MW"),
    ("voltage_error_max_pu", "worst voltage error of LinDistFlow", "p.u."),
    ("dc_flow_error_max_mw", "worst flow error of DC on transmission", "MW"),
)

OPTIONAL = {
    "capacity_cost_eur",
    "capacity_obligation_mwh",
    "capacity_missing_mwh",
    "capacity_blocked_mwh",
    "shortfall_charges_eur",
    "qualifications_withdrawn",
    "double_selling_refused",
    "fallbacks",
    "isps_beyond_ramps",
    *KEYS,
    "afrr_energy_cost_eur",
    "mfrr_energy_cost_eur",
    "afrr_capacity_cost_eur",
    "mfrr_capacity_cost_eur",
    *CONFLICT_KEYS,
    "left_to_tso_mwh",
    "left_to_tso_pct",
    "reserve_outside_band_pct",
    "reserve_short_when_stable_pct",
}
"""Rows left out where no run has anything to say."""
BY_OPERATOR = "procurement_cost_by_operator_eur"


def kpi_table(scenario: Scenario, kpis: Mapping[str, Mapping[str, Any]]) -> Table:
    """KPIs of several runs side by side, "-" where a run lacks one; procurement is also split by operator."""
    table = Table(
        title=escape(scenario.name) + f": {scenario.days} day(s) from {scenario.start}, seed {scenario.seed}",
        box=SIMPLE_HEAD,
    )
    table.add_column("")
    table.add_column("unit")
    for name in kpis:
        table.add_column(name, justify="right")
    for key, label, unit in KPI_ROWS:
        if key in OPTIONAL and not any(k.get(key) for k in kpis.values()):
            continue
        table.add_row(label, unit, *(_number(k.get(key)) for k in kpis.values()))
        if key == "procurement_cost_eur":
            operators = sorted({o for k in kpis.values() for o in k.get(BY_OPERATOR, {})})
            for operator in operators:
                values = [k.get(BY_OPERATOR, {}).get(operator, 0.0) for k in kpis.values()]
                table.add_row(f"  paid by {escape(operator)}", "EUR", *(_number(v) for v in values))
    return table


def clearing_table(case: str, entries: list[dict[str, Any]]) -> Table:
    """One line per scheme of a case; violations as count (worst, in percent of the limit).

    `shared` counts the numbers that were read outside their operator's house.
    """
    table = Table(title=escape(f"case {case}"), box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    columns = (
        "scheme",
        "EUR/h",
        "ineff. %",
        "lines",
        "buses",
        "AC lines",
        "AC buses",
        "unserved",
        "unqual. %",
        "shared",
        "ms",
    )
    for k, column in enumerate(columns):
        table.add_column(column, justify="left" if k == 0 else "right", no_wrap=True)
    for e in entries:
        ac = e["ac"]
        table.add_row(
            e["scheme"],
            f"{e['cost_eur_per_h']:.3f}",
            "" if e["inefficiency_pct"] is None else f"{round(e['inefficiency_pct'], 3) + 0.0:.3f}",
            _broken(e["congested_lines"], e["max_overload_pct"]),
            _broken(e["voltage_violations"], e["max_voltage_violation_pct"]),
            _broken(ac["congested_lines"], ac["max_overload_pct"]),
            _broken(ac["voltage_violations"], ac["max_voltage_violation_pct"]),
            f"{e['unserved_imbalance_mw']:.3f}",
            f"{e['unqualified_up_pct']:.0f}/{e['unqualified_down_pct']:.0f}"
            if "unqualified_up_pct" in e
            else "",
            f"{e['information']['numbers']:,}",
            f"{1000 * e['seconds']:.0f}",
        )
    return table


def shared_label(information: Mapping[str, int]) -> str:
    """What left its house, in a few words."""
    names = {"bids": "bids", "grid_rows": "rows", "supply_points": "points"}
    return ", ".join(f"{information[k]} {name}" for k, name in names.items() if information[k]) or "flows"


def allocation_table(entry: Mapping[str, Any]) -> Table:
    """The cost of a common market split between operators, by each rule."""
    rules: Mapping[str, Mapping[str, float]] = entry["allocation_eur_per_h"]
    table = Table(title=f"{entry['scheme']}: who should bear the cost, EUR/h", box=SIMPLE_HEAD)
    table.add_column("operator")
    for rule in rules:
        table.add_column(rule, justify="right")
    for operator in sorted({o for shares in rules.values() for o in shares}):
        table.add_row(operator, *(f"{shares.get(operator, 0.0):.3f}" for shares in rules.values()))
    return table


def _broken(count: int, worst_pct: float | None) -> str:
    if not count:
        return "0"
    return f"{count} (inf)" if worst_pct is None else f"{count} ({worst_pct:.1f})"


def scheme_table(schemes: Mapping[str, Scheme]) -> Table:
    """The table of schemes."""
    table = Table(title="coordination schemes", box=SIMPLE_HEAD)
    for column in ("scheme", "what it does", "blocks", "leaves its house", "source"):
        table.add_column(column)
    for scheme in schemes.values():
        blocks = ", ".join(block.name for block in scheme.blocks)
        table.add_row(
            scheme.name,
            scheme.summary,
            blocks,
            ", ".join(scheme.information_shared()) or "nothing",
            scheme.source,
        )
    return table


def profile_table() -> Table:
    """The measured profiles by what they are of, with the energy of a year at 1 kW."""
    table = Table(title="measured profiles of SimBench: 2016, every 15 minutes", box=SIMPLE_HEAD)
    table.add_column("of")
    table.add_column("profile")
    table.add_column("kWh a year at 1 kW", justify="right")
    for kind, names in PROFILES.items():
        for k, (name, hours) in enumerate(zip(names, full_load_hours(names), strict=True)):
            table.add_row("" if k else kind, name, f"{hours:,.0f}")
    return table


def _number(value: float | int | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.4g}"
