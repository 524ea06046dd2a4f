"""Tables for the terminal: KPIs of runs, results of `tandem clear`, schemes, profiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from tandem_sim.experiments.key_figures.catalogue import catalogue
from tandem_sim.experiments.results.kpis_conflicts import KEYS as CONFLICT_KEYS
from tandem_sim.experiments.results.kpis_non_firm import KEYS
from tandem_sim.experiments.results.layout import side_by_side, titled_table
from tandem_sim.experiments.results.terminal_text import decimals, hanging
from tandem_sim.grids.io.profiles import PROFILES, full_load_hours
from tandem_sim.grids.tolerances import NEGLIGIBLE_FIGURE
from tandem_sim.markets.coordination.block import Scheme
from tandem_sim.sim.scenario.scenario import Scenario

KPI_ROWS: tuple[tuple[str, str], ...] = (
    ("procurement_cost_eur", "procurement cost of energy"),
    ("afrr_energy_cost_eur", "  of the TSO's, aFRR"),
    ("mfrr_energy_cost_eur", "  of the TSO's, mFRR"),
    ("activated_mwh", "activated energy"),
    ("activated_from_distribution_mwh", "  of it from distribution"),
    ("violated_isps", "ISPs with a broken limit in distribution"),
    ("violated_isps_before_activation", "  broken without activation in the ISP"),
    ("violated_isps_created", "  broken by activation only"),
    ("diverged_power_flows", "power flows that did not converge"),
    ("max_overload_pct", "worst overload"),
    ("voltage_violations", "bus voltages outside their band"),
    ("max_voltage_violation_pct", "worst voltage violation"),
    ("local_markets_short_of_flexibility", "local markets that ran out of flexibility"),
    ("held_back_mwh", "offers held back by DSOs' bid checks"),
    ("held_back_pct", "  share of offers"),
    ("left_to_tso_mwh", "flexibility left to the TSO by DSOs"),
    ("left_to_tso_pct", "  share of offers in areas"),
    ("bought_by_dsos_mwh", "bought by DSOs"),
    ("conflict_undone_at_node_mwh", "  undone by the TSO at the same node"),
    ("conflict_undone_at_node_pct", "    share of DSOs' purchases"),
    ("conflict_undone_at_node_eur", "    paid by both operators for it"),
    ("conflict_undone_on_unit_mwh", "  undone on the same unit"),
    ("conflict_undone_on_unit_pct", "    share of DSOs' purchases"),
    ("bought_by_dsos_isps", "ISPs in which a DSO buys"),
    ("conflict_isps", "  with a part of it undone"),
    ("round_trips", "units sold up and down in one ISP"),
    ("stacking_units", "units paid for more than one service"),
    ("stacking_revenue_pct", "  their share of all units' revenue"),
    ("reserve_bids_stopped", "reserve bids stopped by DSOs within an ISP"),
    ("reserve_outside_band_pct", "aFRR requested, not delivered within its band"),
    ("reserve_short_when_stable_pct", "stable aFRR periods delivered short"),
    ("capacity_cost_eur", "capacity cost, net of penalties"),
    ("afrr_capacity_cost_eur", "  of the TSO's, aFRR"),
    ("mfrr_capacity_cost_eur", "  of the TSO's, mFRR"),
    ("capacity_obligation_mwh", "  capacity obligation"),
    ("capacity_missing_mwh", "  of it not offered by the sellers"),
    ("capacity_blocked_mwh", "  of it offered, held back by DSOs"),
    ("shortfall_charges_eur", "charges for energy not delivered"),
    ("qualifications_withdrawn", "qualifications withdrawn"),
    ("double_selling_refused", "attempts to sell twice, refused"),
    ("lv_unsafe_without_limits_pct", "LV feeders unsafe, no activation, no limits"),
    ("lv_unsafe_with_limits_pct", "  no activation, with limits"),
    ("lv_unsafe_pct", "  as delivered"),
    ("lv_unsafe_by_activation_pct", "  unsafe by activation only"),
    ("limits_activated", "activations of non-firm connections"),
    ("limits_unsolved", "  that did not restore the limits"),
    ("limited_contract_hours", "  hours under limits, all contracts"),
    ("most_activations", "  most activations of a contract a year"),
    ("withheld_mwh", "  energy withheld or shifted by limits"),
    ("lost_mwh", "  energy lost"),
    ("shed_mwh", "    of it load shed"),
    ("lv_offers_left_up_pct", "offers up of LV devices left under limits"),
    ("lv_offers_left_down_pct", "offers down of LV devices left under limits"),
    ("blocked_energy_mwh", "activations blocked by limits"),
    ("blocked_reserve_mwh", "offered reserve blocked by limits"),
    ("reserve_undelivered_mwh", "  called and not delivered"),
    ("reserve_opened_mwh", "  called from slow bids added by the TSO"),
    ("substituted_by_portfolio_mwh", "  substituted within portfolios"),
    ("substituted_by_aggregators_mwh", "  substituted by other aggregators"),
    ("substituted_by_tso_mwh", "  substituted by the TSO"),
    ("aggregator_substitution_cost_eur", "substitution cost, paid to aggregators"),
    ("tso_substitution_cost_eur", "substitution cost of the TSO"),
    ("non_firm_compensation_eur", "compensation for limits"),
    ("curtailment_traded_mwh", "curtailment traded among customers"),
    ("fallbacks", "messages lost or late, with fallback"),
    ("numbers_shared", "numbers shared between operators"),
    ("imbalance_before_mwh", "imbalance before activation"),
    ("imbalance_after_mwh", "imbalance after activation"),
    ("unserved_mwh", "unserved need"),
    ("imbalance_price_mean_eur_per_mwh", "mean imbalance price, short parties"),
    ("net_aggregators_eur", "net income of aggregators"),
    ("net_households_eur", "paid to households"),
    ("net_brps_eur", "net income of BRPs"),
    ("delivered_pct", "delivered share of sold energy"),
    ("curtailed_mwh", "PV curtailed"),
    ("losses_mwh", "distribution losses"),
    ("isps_beyond_ramps", "ISPs scheduled beyond ramps"),
    ("messages", "messages"),
    ("flow_error_max_mw", "worst flow error of LinDistFlow"),
    ("voltage_error_max_pu", "worst voltage error of LinDistFlow"),
    ("dc_flow_error_max_mw", "worst flow error of the DC model"),
)
"""Key figures as printed, in order, with a label; units are those of the catalogue."""

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
"""Rows that are left out if they are zero or missing in every run."""
BY_OPERATOR = "procurement_cost_by_operator_eur"


def kpi_tables(scenario: Scenario, kpis: Mapping[str, Mapping[str, Any]], width: int) -> list[Table]:
    """KPIs of several runs side by side, "-" where a run lacks one; procurement is also split by operator.

    Several tables if the runs do not fit in `width` characters.
    """
    labels: list[tuple[str, str]] = []
    columns: dict[str, list[str]] = {name: [] for name in kpis}

    def add(label: str, unit: str, values: Iterable[float | int | None]) -> None:
        labels.append((label, unit))
        for cells, value in zip(columns.values(), values, strict=True):
            cells.append(_number(value))

    for key, label in KPI_ROWS:
        if key in OPTIONAL and not any(k.get(key) for k in kpis.values()):
            continue
        add(label, catalogue()[key].unit, (k.get(key) for k in kpis.values()))
        if key == "procurement_cost_eur":
            paid = [k.get(BY_OPERATOR, {}) for k in kpis.values()]
            for operator in sorted({o for by_operator in paid for o in by_operator}):
                add(f"  paid by {operator}", "EUR", (by_operator.get(operator, 0.0) for by_operator in paid))
    days = f"{scenario.days} day{'' if scenario.days == 1 else 's'}"
    title = f"{scenario.name}: {days} from {scenario.start}, seed {scenario.seed}"
    return side_by_side(title, labels, columns, width)


COST_COLUMNS = (
    "cost\nEUR/h",
    "inefficiency\n%",
    "unserved\nMW",
    "held back\nup/down %",
    "numbers\nshared",
    "time\nms",
)
LIMIT_COLUMNS = ("linear model:\nbranches (%)", "buses (%)", "AC power flow:\nbranches (%)", "buses (%)")
ONE_TABLE = 126
"""Characters that cost and broken limits need in one table."""


def clearing_tables(case: str, entries: Sequence[Mapping[str, Any]], width: int) -> list[Table]:
    """A line per scheme of a case: cost and data shared, and broken limits; two tables in a narrow `width`.

    Broken limits are counted, with the worst violation in percent of the limit in brackets. `numbers shared`
    counts the values that operators receive from other operators.
    """
    title = f"case {case}: broken limits of branches and buses (worst, % of the limit)"
    if width >= ONE_TABLE:
        rows = [[*_cost_cells(e), *_limit_cells(e)] for e in entries]
        return _by_scheme(title, [*COST_COLUMNS, *LIMIT_COLUMNS], entries, rows, width)
    costs, limits = [_cost_cells(e) for e in entries], [_limit_cells(e) for e in entries]
    return [
        *_by_scheme(f"case {case}: cost and data shared", COST_COLUMNS, entries, costs, width),
        *_by_scheme(title, LIMIT_COLUMNS, entries, limits, width),
    ]


def _by_scheme(
    title: str,
    names: Sequence[str],
    entries: Sequence[Mapping[str, Any]],
    rows: Sequence[Sequence[str]],
    width: int,
) -> list[Table]:
    """Tables with a row per scheme: as many columns in each as fit in `width`, none cut."""
    own = max((len(e["scheme"]) for e in entries), default=0) + 2
    needed = [max(len(t) for t in [*name.split("\n"), *(r[k] for r in rows)]) for k, name in enumerate(names)]
    groups: list[list[int]] = [[]]
    for k in range(len(names)):
        if groups[-1] and own + sum(needed[j] + 1 for j in [*groups[-1], k]) > width:
            groups.append([])
        groups[-1].append(k)
    tables = []
    for group in groups:
        table = titled_table(title, width)
        table.padding = (0, 0, 0, 0)
        table.add_column("scheme", no_wrap=True)
        for k in group:
            table.add_column(names[k], justify="right", no_wrap=True)
        for entry, cells in zip(entries, rows, strict=True):
            table.add_row(entry["scheme"], *(cells[k] for k in group))
        tables.append(table)
    return tables


def _cost_cells(e: Mapping[str, Any]) -> list[str]:
    checked = "unqualified_up_pct" in e
    held = f"{e['unqualified_up_pct']:.0f}/{e['unqualified_down_pct']:.0f}" if checked else "-"
    return [
        decimals(e["cost_eur_per_h"], 3),
        "-" if e["inefficiency_pct"] is None else decimals(e["inefficiency_pct"], 3),
        decimals(e["unserved_imbalance_mw"], 3),
        held,
        f"{e['information']['numbers']:,}",
        f"{1000 * e['seconds']:.0f}",
    ]


def _limit_cells(e: Mapping[str, Any]) -> list[str]:
    return [
        _broken(found[count], found[worst])
        for found in (e, e["ac"])
        for count, worst in (
            ("congested_lines", "max_overload_pct"),
            ("voltage_violations", "max_voltage_violation_pct"),
        )
    ]


def shared_label(information: Mapping[str, int]) -> str:
    """The data that operators share with each other, in a few words."""
    names = {"bids": "bids", "grid_rows": "constraints", "supply_points": "points"}
    return ", ".join(f"{information[k]} {name}" for k, name in names.items() if information[k]) or "flows"


def allocation_table(entry: Mapping[str, Any], width: int) -> Table:
    """The cost of a common market split between operators, by each rule."""
    rules: Mapping[str, Mapping[str, float]] = entry["allocation_eur_per_h"]
    table = titled_table(f"cost allocation under {entry['scheme']}, EUR/h", width)
    table.add_column("operator")
    for rule in rules:
        table.add_column(rule, justify="right")
    for operator in sorted({o for shares in rules.values() for o in shares}):
        table.add_row(operator, *(decimals(shares.get(operator, 0.0), 3) for shares in rules.values()))
    return table


def _broken(count: int, worst_pct: float | None) -> str:
    if not count:
        return "0"
    return f"{count} (inf)" if worst_pct is None else f"{count} ({worst_pct:.1f})"


SHARED_DATA = {
    "area.exchange": "exchange schedules",
    "area.bids": "bids",
    "area.offers": "bids left for the TSO",
    "area.grid": "distribution grid data",
    "area.sold": "awards of local markets",
    "area.rsf": "supply functions of areas",
    "area.boundary": "interface flows committed to",
    "area.accepted": "accepted merit order lists",
    "tso.bids": "bids on transmission",
    "tso.grid": "transmission grid data",
    "tso.sold": "awards of the TSO's markets",
}
"""Entries of an operator's state that other operators read, in words."""


def scheme_list(schemes: Mapping[str, Scheme], width: int) -> str:
    """Every scheme with its steps, the data that operators share, and its source, in lines of `width`."""
    lines: list[str] = []
    for scheme in schemes.values():
        facts = {
            "steps": ", ".join(block.name for block in scheme.blocks),
            "shared": ", ".join(SHARED_DATA.get(entry, entry) for entry in scheme.information_shared())
            or "nothing",
            "source": scheme.source,
        }
        lines += hanging(f"{scheme.name}: {scheme.summary}", width)
        for name, text in facts.items():
            lines += hanging(f"    {name + ':':<8}{text}", width, indent=12)
    return "\n".join(lines)


def profile_table() -> Table:
    """The measured profiles by kind, with the energy of a year at a peak of 1 kW."""
    table = Table(title="measured profiles of SimBench: 2016, every 15 minutes", box=SIMPLE_HEAD)
    table.add_column("kind")
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
    if abs(value) < NEGLIGIBLE_FIGURE:
        return "0"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.4g}"
