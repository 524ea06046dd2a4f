"""The page about equal schemes, written from its statements and the results of their checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import fill

import numpy as np
import pandas as pd

from tandem_sim.experiments.studies.equal_schemes.checks import FAMILIES
from tandem_sim.experiments.studies.equal_schemes.examples import Example
from tandem_sim.experiments.studies.equal_schemes.statements import STATEMENTS, EqualityStatement
from tandem_sim.experiments.studies.equal_schemes.trials import (
    EXACT,
    NARROWED,
    SAME_EUR,
    SAME_MW,
    SAME_SHARE,
    CaseTrial,
    awards,
)
from tandem_sim.grids.documents.text import one_line
from tandem_sim.markets.cases.case import Case, CaseArea
from tandem_sim.markets.choices import PRICINGS
from tandem_sim.markets.orders.bids import UP, Bids

WIDTH = 140
"""Characters of a line of prose on the page."""


def _plain(value: float) -> str:
    """A small number without an exponent."""
    return np.format_float_positional(value, trim="-")


HEAD = f"""# Which schemes are the same

    python -m tandem_sim.experiments.studies.equal_schemes.study --out docs

writes this page and `equal_schemes.csv`, a row per statement and case. Statements, proofs and examples are
in `experiments/studies/equal_schemes/statements.py` and `examples.py`; tests check all of them, on some
of the same cases.

**What is compared:** one auction with one set of bids and one set of grid data (`tandem clear`), with default
options, bids that may all be forwarded to the TSO, and no two bids at the same price. Schemes are *the
same* in a case if they cost the same, leave the same need unserved and call the same MW of every bid; where
a pricing rule is named, operators pay the same too. (If the need falls exactly between two bids, the price is
not unique, and payments may differ.) Tolerances: {_plain(SAME_EUR)} EUR/h and
{_plain(SAME_SHARE)} of the sum, {_plain(SAME_MW)} MW.

**In simulations** schemes have gates at different times, operators have different forecasts, and purchases
in one period change the devices in later ones. Schemes that are the same in a case differ there, unless
stated otherwise.

**The cases:** *small* ones have three transmission nodes in a triangle and two radial areas of 3 to 12 nodes
with 10 bids each. They are drawn in ten ways: base states that keep or break limits, voltages that bind or
cannot, trades within an area that pay, rated lines of transmission. *ALEXANDER* cases are those of [the study
of chapter 4](studies/alexander.md), kinds A to D in turn (IEEE 14-bus and two feeders, the grids published,
the rest synthetic): with its overloaded lines, with a voltage band that binds besides, and with neither.
Pricing rules take turns. A case is *decisive* (column `telling` of the table) if it meets the condition and
something happens in it that could have made the schemes differ. "Keeps" and "breaks" refer to limits of
distribution grids in the linear model. A *call* is the MW awarded to a bid.

`{EXACT}` is `aggregation` that sends every breakpoint (`--aggregation exact`). `{NARROWED}` is `central-02`
with DSOs that keep the margin of the hybrid scheme free: 0.1 % of each flow limit and 0.0002 p.u.^2 of each
squared voltage.

## In short

Not the same in general, although close: `multilevel-03` and `multilevel-04` (8), `central-02` and
`central-03-relaxed` (9), `hybrid` and `central-02` (10), and `common` and the `aggregation` that sends
points (1).
"""


def page(results: pd.DataFrame) -> str:
    """The whole page; `results` is a table of `equal_checks.checked`."""
    parts, shown = [HEAD, summary(results)], dict[str, str]()
    for number, statement in enumerate(STATEMENTS, start=1):
        parts += section(number, statement, results[results.statement == statement.name], shown)
    return "\n".join(parts)


def summary(results: pd.DataFrame) -> str:
    """One row per statement: which schemes, where, and in how many cases they were the same."""
    head = ["", "the same", "where", *(f"{family} cases" for family in FAMILIES)]
    rows = []
    for number, statement in enumerate(STATEMENTS, start=1):
        own = results[results.statement == statement.name]
        counts = [_same_of(own[own.family == family]) for family in FAMILIES]
        rows.append([_link(number, statement), _groups(statement), one_line(statement.condition), *counts])
    return _table(head, rows, "|---|---|---|---:|---:|")


def section(
    number: int, statement: EqualityStatement, own: pd.DataFrame, shown: dict[str, str]
) -> Iterator[str]:
    """One statement: condition, what is the same, proof, checks, and where the schemes differ.

    An example that the page has already (`shown`: where, by its title) is only named.
    """
    yield f"## {number}. {statement.title}\n"
    yield f"**Schemes:** {_groups(statement)}.\n"
    yield _prose(f"**The same where:** {statement.condition}.")
    yield f"**What is the same:** cost, need unserved and awards{_payments(statement)}.\n"
    yield _prose(f"**Why:** {statement.proof}")
    yield _checks(statement, own)
    yield _prose(f"**Where they differ:** {statement.parts}")
    for make in statement.examples:
        example = make()
        if example.title in shown:
            yield f"*{example.title}:* see {shown[example.title]}.\n"
        else:
            shown[example.title] = _link(number, statement)
            yield example_text(example)


def example_text(example: Example) -> str:
    """A case in words and its result under the schemes, cleared now."""
    trial = CaseTrial(example.case, example.pricing)
    uniform = example.pricing != "pay-as-bid"
    rows = []
    for name in example.costs:
        outcome = trial[name]
        called = ", ".join(f"{bid} {_number(mw)}" for bid, mw in sorted(awards(outcome).items()))
        paid = [_number(sum(outcome.paid_eur_per_h.values()))] if uniform else []
        broken = outcome.linear.lines + outcome.linear.buses
        rows.append(
            [
                f"`{name}`",
                _number(outcome.cost_eur_per_h),
                *paid,
                called or "nothing",
                _number(outcome.unserved_imbalance_mw),
                str(broken),
            ]
        )
    head = ["scheme", "cost, EUR/h", "called, MW", "unserved, MW", "limits broken"]
    line = "|---|---:|---|---:|---:|"
    if uniform:
        head.insert(2, f"paid {example.pricing.removeprefix('pay-')}, EUR/h")
        line = "|---|---:|---:|---|---:|---:|"
    words = [_prose(f"*{example.title}.* {example.text}"), _prose(described(example.case))]
    return "\n".join([*words, _table(head, rows, line)])


def described(case: Case) -> str:
    """Need, bids, injections and limits of a small case in one line, MW and EUR/MWh."""
    grid = case.transmission
    need = sum(grid.interface_mw.values()) - float(grid.p_mw.sum())
    parts = [f"Need {_number(need)} MW up" if need > 0.0 else f"Need {_number(-need)} MW down"]
    parts += _bids(case.tso_bids, "transmission")
    for name, area in case.areas.items():
        parts += [*_injections(name, area), *_limits(name, area), *_bids(area.bids, f"node {{}} of {name}")]
    return "; ".join(parts) + "."


def _injections(name: str, area: CaseArea) -> list[str]:
    p = area.network.p_mw
    return [
        f"node {node} of {name} {'draws' if p[node] < 0.0 else 'injects'} {_number(abs(p[node]))} MW"
        for node in np.flatnonzero(p).tolist()
    ]


def _limits(name: str, area: CaseArea) -> list[str]:
    """Limits that some call can reach: branches by their ends, squared voltages with their sensitivities."""
    b, rows, found = area.network.branches, area.rows, []
    most = float(area.bids.quantity_mw.sum()) + float(np.abs(area.network.p_mw).sum())
    for k in np.flatnonzero(rows.limit_mw <= most).tolist():
        found.append(
            f"branch {b.from_node[k]}-{b.to_node[k]} of {name} carries {_number(rows.limit_mw[k])} MW"
        )
    feasible_range = rows.voltage_matrix.max(axis=1) * most
    for node in np.flatnonzero(rows.w_pu2 + feasible_range > rows.w_max_pu2 + 1e-3).tolist():
        moves = ", ".join(
            f"{_number(each)} by a MW at node {at}"
            for at, each in enumerate(rows.voltage_matrix[node].tolist())
            if each > 0.0
        )
        room = rows.w_max_pu2[node] - rows.w_pu2[node]
        found.append(f"squared voltage at node {node} may rise by {_number(room)} ({moves})")
    return found


def _bids(bids: Bids, where: str) -> list[str]:
    columns = zip(
        bids.bid_id, bids.node, bids.direction, bids.quantity_mw, bids.price, bids.demand, strict=True
    )
    return [
        f"`{name}` {'buys' if wants else 'offers'} {_number(mw)} MW {_way(direction, wants)} at "
        f"{_number(price)} ({where.format(node)})"
        for name, node, direction, mw, price, wants in columns
    ]


def _way(direction: int, wants: bool) -> str:
    """A buyer of injection withdraws it: the direction bought is the opposite of its effect."""
    return "up" if (direction == UP) != wants else "down"


def _checks(statement: EqualityStatement, own: pd.DataFrame) -> str:
    head = [
        "cases",
        "drawn",
        "condition met",
        "of these the same",
        "of these decisive",
        "condition not met",
        "of these different",
    ]
    rows = []
    for family in FAMILIES:
        part = own[own.family == family]
        met = part[part.met]
        counts = (len(part), len(met), met.same.sum(), met.telling.sum(), len(part) - len(met))
        rows.append([family, *(str(int(n)) for n in counts), str(int((~part[~part.met].same).sum()))])
    text = f"**Checked** (decisive: {statement.telling.words}):\n\n" + _table(
        head, rows, "|---|---:|---:|---:|---:|---:|---:|"
    )
    if statement.beside is None:
        return text
    one, other = statement.beside
    worst = {family: own[(own.family == family) & own.met].apart_eur_per_h.max() for family in FAMILIES}
    each = " and ".join(f"{_number(eur)} EUR/h in {family} cases" for family, eur in worst.items())
    more = f"Where the condition is met, the costs of `{one}` and `{other}` differ by at most {each}."
    return "\n".join([text, _prose(more)])


def _payments(statement: EqualityStatement) -> str:
    if statement.exact:
        return " to the last bit, and payments under every pricing rule"
    if len(statement.payments) == len(PRICINGS):
        return "; payments under every pricing rule"
    rest = [rule for rule in PRICINGS if rule not in statement.payments]
    return f"; payments {' and '.join(statement.payments)}, not {' or '.join(rest)}"


def _groups(statement: EqualityStatement) -> str:
    return "; ".join(" = ".join(f"`{name}`" for name in group) for group in statement.groups)


def _same_of(part: pd.DataFrame) -> str:
    met = part[part.met]
    return f"{int(met.same.sum())} of {len(met)}" if len(met) else "-"


def _anchor(title: str) -> str:
    """What makes a heading the target of a link on the usual hosts of repositories."""
    kept = "".join(c for c in title.lower() if c.isalnum() or c in "- ")
    return kept.replace(" ", "-")


def _link(number: int, statement: EqualityStatement) -> str:
    return f"[{number}](#{number}-{_anchor(statement.title)})"


def _prose(text: str) -> str:
    """A paragraph."""
    return fill(" ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False) + "\n"


def _number(value: float) -> str:
    return f"{round(value, 4) + 0.0:g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], line: str) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, *rows)]
    return "\n".join([lines[0], line, *lines[1:]]) + "\n"
