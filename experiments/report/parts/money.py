"""Money between parties over a run, and what operators undo of each other's purchases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tandem_sim.experiments.explain.tables import rows_of
from tandem_sim.experiments.report.parts.markup import Markup, number, table, tag
from tandem_sim.experiments.report.parts.messages import party_group
from tandem_sim.experiments.report.parts.read import ReportRun
from tandem_sim.sim.assembly.agents import TSO_NAME

MOST_NODES = 10
"""Most nodes that are listed with their conflicts."""
MOST_GROUPS = 14
"""Most groups of parties in the drawing; with more all DSOs are one."""
KINDS = {
    "activation": "energy bought in an auction",
    "afrr": "energy of the automatic reserve (aFRR)",
    "make-whole": "what lifts a uniform price to the price of the bid",
    "purchase": "energy bought by companies",
    "purchase make-whole": "what lowers a uniform price to the limit of a company's bid",
    "imbalance": "deviations from schedules, at the imbalance price",
    "household cost": "what delivery costs households, paid back by their aggregators",
    "capacity": "reserve kept available",
    "unavailability": "penalty for reserve that was not offered",
    "shortfall": "charge on energy that was not delivered",
    "reactive": "reactive power",
    "substitution": "substitution of blocked energy among pools",
    "curtailment trade": "relief bought among customers",
    "non-firm compensation": "energy withheld by connection limits",
}
"""Meaning of kinds of payment, of table `settlement`."""
WIDTH, GAP, BAR, LABEL = 720, 8, 12, 150
BARS, TEXT = 260.0, 28.0
"""Height of all bars of a side together, and the least height of a party, for its two lines of text."""
SMALLEST_SHARE = 0.0005
"""A flow of a smaller share of all money is in the table and not in the drawing."""


def flows_of(run: ReportRun) -> pd.DataFrame:
    """Payments by ``giver, taker, kind`` over the run: EUR (positive), MWh.

    Parties are in groups. A negative amount in the table `settlement` flows from payee to payer.
    """
    rows = run.data.settlement
    names = {*rows.payer, *rows.payee}
    apart = len({party_group(str(name), run.scenario) for name in names}) <= MOST_GROUPS
    group = {name: party_group(str(name), run.scenario, apart) for name in names}
    payer, payee = rows.payer.map(group), rows.payee.map(group)
    back = rows.amount_eur < 0.0
    frame = pd.DataFrame(
        {
            "giver": payee.where(back, payer),
            "taker": payer.where(back, payee),
            "kind": rows.kind,
            "eur": rows.amount_eur.abs(),
        }
    )
    found = frame.groupby(["giver", "taker", "kind"]).eur.sum().reset_index()
    return found[found.eur > 0.0].reset_index(drop=True)


def money_section(runs: Sequence[ReportRun]) -> Markup:
    """Who paid whom in each run: a drawing, a matrix, and sums by kind."""
    return tag("div", *(_of_run(run) for run in runs), class_="pair")


def _of_run(run: ReportRun) -> Markup:
    flows = flows_of(run)
    if flows.empty:
        return tag("section", tag("h3", run.label), tag("p", "No payment in this run."), class_="run")
    kinds = flows.groupby(["kind", "giver", "taker"]).eur.sum().reset_index()
    return tag(
        "section",
        tag("h3", run.label),
        tag("p", _balance(flows)),
        tag("p", _left_out(flows), class_="note"),
        tag("div", _drawing(flows), class_="scroll", tabindex="0", role="region", aria_label="payments"),
        tag(
            "details",
            tag("summary", "Matrix of all payments: who pays (rows) to whom (columns), EUR"),
            _matrix(flows),
        ),
        tag(
            "details",
            tag("summary", "All payments by what is paid"),
            table(
                ("what is paid", "from", "to", "EUR"),
                [(_kind(row.kind), row.giver, row.taker, number(row.eur)) for row in rows_of(kinds)],
                (3,),
                class_="wrap",
            ),
        ),
        class_="run",
    )


def _balance(flows: pd.DataFrame) -> str:
    """Net receipts of each group in a sentence."""
    paid, got = flows.groupby("giver").eur.sum(), flows.groupby("taker").eur.sum()
    net = got.sub(paid, fill_value=0.0).sort_values()
    parts = [f"{name} {number(float(amount), signed=True)} EUR" for name, amount in net.items()]
    return f"Net, all kinds together (received less paid): {', '.join(parts)}. The sum is zero."


def _left_out(flows: pd.DataFrame) -> str:
    """How much the drawing leaves out."""
    pairs = flows.groupby(["giver", "taker"]).eur.sum()
    small, total = pairs[pairs < SMALLEST_SHARE * pairs.sum()], float(pairs.sum())
    says = f"All payments: {number(total)} EUR together."
    if small.empty:
        return says
    return (
        f"{says} Not drawn: {len(small)} {'flow' if len(small) == 1 else 'flows'} of less than "
        f"{number(100.0 * SMALLEST_SHARE)} % each, "
        f"{number(float(small.sum()))} EUR together ({number(100.0 * float(small.sum()) / total, 2)} %); "
        "the matrix has them."
    )


def _kind(kind: str) -> Markup | str:
    says = KINDS.get(kind)
    return tag("span", kind, tag("small", says)) if says else kind


def _matrix(flows: pd.DataFrame) -> Markup:
    sums = flows.groupby(["giver", "taker"]).eur.sum().unstack().fillna(0.0)
    rows = [
        (name, *(number(float(v)) if v else "" for v in values), number(float(values.sum())))
        for name, values in zip(sums.index, sums.to_numpy(), strict=True)
    ]
    total = sums.to_numpy().sum(axis=0)
    rows.append(("all", *(number(float(v)) for v in total), number(float(total.sum()))))
    return table(("from \\ to", *sums.columns, "all"), rows, range(1, len(sums.columns) + 2), class_="matrix")


def _drawing(flows: pd.DataFrame) -> Markup:
    """Payers at the left, receivers at the right; the width of a band is the amount."""
    pairs = flows.groupby(["giver", "taker"]).eur.sum()
    pairs = pairs[pairs >= SMALLEST_SHARE * pairs.sum()]
    left, right = (pairs.groupby(level=k).sum().sort_values(ascending=False) for k in (0, 1))
    scale = BARS / float(pairs.sum())
    (starts, bottom), (ends, bottom_right) = _stacked(left, scale), _stacked(right, scale)
    height = round(max(bottom, bottom_right)) + 8
    x0, x1 = LABEL + BAR, WIDTH - LABEL - BAR
    parts, used_left, used_right = [], dict(starts), dict(ends)
    for k, giver in enumerate(left.index):
        for taker in right.index:
            amount = float(pairs.get((giver, taker), 0.0))
            if not amount:
                continue
            a, b, w = used_left[giver], used_right[taker], amount * scale
            used_left[giver], used_right[taker] = a + w, b + w
            m = (x0 + x1) / 2
            path = (
                f"M{x0} {a:.1f}C{m} {a:.1f} {m} {b:.1f} {x1} {b:.1f}V{b + w:.1f}"
                f"C{m} {b + w:.1f} {m} {a + w:.1f} {x0} {a + w:.1f}Z"
            )
            says = f"{giver} to {taker}: {number(amount)} EUR"
            parts.append(tag("path", tag("title", says), d=path, class_=f"band c{k % 6}"))
    for sums, places, x, anchor in ((left, starts, LABEL, "end"), (right, ends, x1, "start")):
        for name, amount in sums.items():
            y, size = places[str(name)], max(float(amount) * scale, 1.0)
            label_x = x - 6 if anchor == "end" else x + BAR + 6
            middle = y + size / 2
            parts += [
                tag("rect", x=x, y=f"{y:.1f}", width=BAR, height=f"{size:.1f}", class_="bar"),
                tag("text", str(name), x=label_x, y=f"{middle - 1:.1f}", text_anchor=anchor, class_="strong"),
                tag(
                    "text",
                    f"{number(float(amount))} EUR",
                    x=label_x,
                    y=f"{middle + 12:.1f}",
                    text_anchor=anchor,
                ),
            ]
    says = "; ".join(f"{a} to {b} {number(float(eur))} EUR" for (a, b), eur in pairs.items())
    return tag("svg", *parts, viewBox=f"0 0 {WIDTH} {height}", role="img", aria_label=says, class_="money")


def _stacked(sums: pd.Series, scale: float) -> tuple[dict[str, float], float]:
    """Upper ends of bars one below the other, with room for two lines of text each, and the end of all."""
    places, y = {}, 8.0
    for name, amount in sums.items():
        size = float(amount) * scale
        places[str(name)] = y + max(0.0, (TEXT - size) / 2)
        y += max(size, TEXT) + GAP
    return places, y


def conflict_section(runs: Sequence[ReportRun]) -> Markup:
    """What the TSO undoes of purchases of DSOs, run by run, and where most."""
    return tag("div", *(_conflicts_of(run, run.table("conflicts")) for run in runs))


def _conflicts_of(run: ReportRun, rows: pd.DataFrame) -> Markup:
    if rows.empty:
        says = "No DSO bought energy in this run, so no purchase could be undone."
        return tag("section", tag("h3", run.label), tag("p", says), class_="run")
    names = [
        "bought_mwh",
        "undone_at_node_mwh",
        "undone_at_node_eur",
        "undone_on_unit_mwh",
        "undone_on_unit_eur",
    ]
    head = ("MWh bought", "MWh undone at the node", "EUR for it", "MWh undone on the same unit", "EUR for it")
    by_dso = rows.groupby("operator")[names].sum()
    nodes = rows.groupby(["system", "node"])[names].sum()
    nodes = nodes[nodes.undone_at_node_mwh > 0.0]
    nodes = nodes.loc[(-nodes.undone_at_node_mwh).sort_values(kind="stable").index][:MOST_NODES]
    undone, bought = float(rows.undone_at_node_mwh.sum()), float(rows.bought_mwh.sum())
    share = 100.0 * undone / bought if bought else 0.0
    isps = rows.isp[rows.undone_at_node_mwh > 0.0].nunique()
    says = (
        f"DSOs bought {number(bought)} MWh. The TSO bought the opposite of {number(undone)} MWh "
        f"({number(share, 3)} %) at the same node in the same ISP, in {isps} ISPs."
    )
    listed = table(
        ("operator", *head), [(n, *_numbers(v)) for n, v in _rows(by_dso)], range(1, 6), class_="stack"
    )
    places = table(
        ("system", "node", *head),
        [(place[0], place[1], *_numbers(values)) for place, values in _rows(nodes)],
        range(1, 7),
        class_="stack",
    )
    where = (
        tag("details", tag("summary", f"Nodes with most of it ({len(nodes)})"), places) if len(nodes) else ""
    )
    return tag("section", tag("h3", run.label), tag("p", says), listed, where, class_="run")


def _rows(frame: pd.DataFrame) -> zip[tuple[Any, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]]:
    return zip(frame.index, frame.to_numpy(dtype=np.float64), strict=True)


def _numbers(values: Mapping[int, float] | np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[str]:
    return [number(float(v)) for v in values]


def procurement(run: ReportRun, kinds: Sequence[str]) -> dict[str, float]:
    """What operators paid for energy, net of receipts (EUR), from payments of these kinds; the TSO first."""
    rows = run.data.settlement
    sums = rows[rows.kind.isin(kinds)].groupby("payer").amount_eur.sum()
    names = sorted((str(name) for name in sums.index), key=lambda name: (name != TSO_NAME, name))
    return {name: float(sums[name]) for name in names}
