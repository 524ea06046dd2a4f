"""What was run, in short what was found, and the key figures side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tandem_sim.experiments.key_figures.catalogue import KeyFigure, groups
from tandem_sim.experiments.report.bids.held import held_table
from tandem_sim.experiments.report.bids.market import local_time, worst_overload
from tandem_sim.experiments.report.parts.markup import NOTHING, Markup, joined, number, table, tag
from tandem_sim.experiments.report.parts.money import procurement
from tandem_sim.experiments.report.parts.read import ReportRun, other_world
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.settlement.payments import FOR_ENERGY

UNLISTED = "Other"
"""Group of key figures that the catalogue does not have: of another version."""


def what_was_run(runs: Sequence[ReportRun]) -> Markup:
    """A table with a column for each run, and its notes."""
    rows: list[tuple[object, ...]] = []
    for name, values in _about(runs).items():
        same = len(runs) > 1 and len({*values}) == 1
        rows.append(
            (tag("b", name), tag("span", values[0], class_="same")) if same else (tag("b", name), *values)
        )
    columns = len(runs)
    lines = [
        tag("tr", tag("th", row[0], scope="row"), tag("td", row[1], colspan=columns))
        if len(row) == 2
        else tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:]))
        for row in rows
    ]
    head = tag("tr", tag("th", "", scope="col"), *(tag("th", run.label, scope="col") for run in runs))
    body = tag("table", tag("thead", head), tag("tbody", *lines), class_="about")
    notes = [tag("li", f"{run.label}: {note}") for run in runs for note in _notes(run)]
    return joined(
        (
            tag("div", body, class_="scroll", tabindex="0", role="region", aria_label="what was run"),
            tag("h3", "Notes of the run") if notes else "",
            tag("ul", *notes) if notes else "",
            *_world(runs),
            *_versions(runs),
        )
    )


def _notes(run: ReportRun) -> list[str]:
    notes = run.run.manifest.get("notes")
    return [str(note) for note in notes] if isinstance(notes, list) else []


def _world(runs: Sequence[ReportRun]) -> Iterator[Markup]:
    """A warning where runs have other inputs, so that their differences are not those of the rules alone."""
    for run in runs[1:]:
        if names := other_world(runs[0], run):
            says = (
                f"{run.label} has other inputs than {runs[0].label} ({', '.join(names[:8])}"
                f"{', ...' if len(names) > 8 else ''}). Differences between them are not due to rules alone."
            )
            yield tag("p", says, class_="warning")


def _versions(runs: Sequence[ReportRun]) -> Iterator[Markup]:
    rows: dict[str, list[str]] = {}
    for k, run in enumerate(runs):
        given = run.run.manifest.get("provenance")
        versions = given.get("versions") if isinstance(given, dict) else None
        for name, version in versions.items() if isinstance(versions, dict) else ():
            rows.setdefault(str(name), [NOTHING] * len(runs))[k] = str(version)
    if rows:
        listed = table(("", *(run.label for run in runs)), [(n, *v) for n, v in rows.items()])
        yield tag("details", tag("summary", "Versions of Tandem, Python and libraries"), listed)


def _about(runs: Sequence[ReportRun]) -> dict[str, list[str]]:
    rows: dict[str, list[str]] = {}
    for run in runs:
        for name, value in _about_one(run).items():
            rows.setdefault(name, []).append(value)
    return rows


def _about_one(run: ReportRun) -> dict[str, str]:
    scenario, data = run.scenario, run.data
    buses, branches = run.table("buses"), run.table("branches")
    areas = {TSO: scenario.transmission.grid, **{area.id: area.grid for area in scenario.distribution}}
    sizes = {
        name: f"{name}: {grid} ({(buses.system == name).sum()} buses, "
        f"{(branches.system == name).sum()} branches)"
        for name, grid in areas.items()
    }
    prices = scenario.prices
    given = [name for name in ("day_ahead", "imbalance") if getattr(prices, name, None)]
    manifest = run.run.manifest
    return {
        "Scenario": scenario.name,
        "Description": scenario.description,
        "Scheme": f"{scenario.scheme}: {run.run.scheme.summary}",
        "Seed": str(scenario.seed),
        "From": f"{data.local[0]:%A %d %B %Y %H:%M}, {data.zone}",
        "ISPs": f"{len(run.isps)} of {number(data.hours * 60.0)} minutes",
        "Grids": "; ".join(sizes.values()),
        "Households": f"{number(scenario.households)} with {len(scenario.pools)} aggregators",
        "Bidding": scenario.strategy,
        "Payment of activated energy": scenario.pricing,
        "Prices given by the scenario": ", ".join(given).replace("_", "-") or "none",
        "Inputs (world)": _id(manifest, "world"),
        "Run": _id(manifest, "run"),
        "Folder": run.run.folder.name,
    }


def _id(manifest: dict[str, Any], part: str) -> str:
    found = manifest.get(part)
    return str(found.get("id", NOTHING)) if isinstance(found, dict) else NOTHING


def in_short(runs: Sequence[ReportRun]) -> Markup:
    """Limits broken side by side; for each run the worst branch and ISP, payments, MWh held back."""
    return joined((_limits(runs), tag("div", *(_short(run) for run in runs), class_="cards")))


def _limits(runs: Sequence[ReportRun]) -> Markup:
    """ISPs in which a limit of an area is broken, without activation and as delivered, run by run."""
    names = ("violated_isps_before_activation", "violated_isps", "violated_isps_created")
    rows = [(run.label, str(len(run.isps)), *(_says(run, name) for name in names)) for run in runs]
    head = ("run", "ISPs", "broken without activation", "broken as delivered", "of these only by activation")
    differs = ", so it differs between the runs" if len(runs) > 1 else ""
    says = (
        "Without activation: the same ISP with nothing activated in it. The effects of activation in earlier "
        f"ISPs of the run remain{differs}."
    )
    return joined(
        (
            tag("h3", "ISPs in which limits of distribution grids are broken"),
            table(head, rows, range(1, 5), class_="wrap"),
            tag("p", says, class_="note"),
        )
    )


def _says(run: ReportRun, name: str, unit: str = "") -> str:
    value = run.run.kpis.get(name)
    return f"{number(value)}{unit}" if isinstance(value, (int, float)) else NOTHING


def _short(run: ReportRun) -> Markup:
    by_operator = ", ".join(f"{name} {number(eur)} EUR" for name, eur in procurement(run, FOR_ENERGY).items())
    checked = run.run.kpis.get("held_back_mwh") is not None
    lines: list[object] = [
        *_worst(run),
        _worst_isp(run),
        f"Operators paid {_says(run, 'procurement_cost_eur', ' EUR')} for "
        f"{_says(run, 'activated_mwh', ' MWh')} of activated energy, net of what they receive for it: "
        f"{by_operator}.",
        f"DSOs held back {_says(run, 'held_back_mwh', ' MWh')} of offers from the TSO "
        f"({_says(run, 'held_back_pct', ' %')} of those checked)."
        if checked
        else "No DSO checks bids under this scheme, so none was held back.",
    ]
    listed = tag("ul", *(tag("li", line) for line in lines))
    return tag("section", tag("h3", run.label), listed, held_table(run) if checked else "", class_="card")


def _worst_isp(run: ReportRun) -> str:
    """The ISP of the worst overload, and how to see it bid by bid."""
    over_pct, isp = worst_overload(run)
    if not over_pct:
        return "No branch of an area was overloaded."
    at = run.data.local[int(np.flatnonzero(run.isps == isp)[0])]
    return (
        f"Worst ISP of this run: {local_time(run, isp)}. To see it bid by bid, make the report with "
        f"--isp {at:%Y-%m-%dT%H:%M}."
    )


def _worst(run: ReportRun) -> Iterator[str]:
    """The most loaded branch of all areas, and the lowest and highest voltage, with time and place."""
    loading = run.table("branch_loading")
    loading = loading[(loading.system != TSO) & loading.loading_pct.notna()]
    if len(loading):
        row = loading.loc[loading.loading_pct.idxmax()]
        branches = run.table("branches")
        mine = branches[(branches.system == row.system) & (branches.branch == row.branch)]
        where = branch_name(mine.iloc[0]) if len(mine) else f"branch {row.branch}"
        base = float(row.base_loading_pct)
        without = (
            f" Without activation in that ISP it would have been {number(base)} %."
            if math.isfinite(base)
            else ""
        )
        yield (
            f"Most loaded branch: {where} of {row.system}, {number(float(row.loading_pct))} % of its "
            f"rating on {local_time(run, int(row.isp))}.{without}"
        )
    voltage = run.table("bus_voltage")
    voltage = voltage[(voltage.system != TSO) & voltage.vm_pu.notna()]
    if len(voltage):
        parts = [
            f"{name} {row.vm_pu:.4f} p.u. at bus {row.bus} of {row.system}, {local_time(run, int(row.isp))}"
            for name, row in (
                ("lowest", voltage.loc[voltage.vm_pu.idxmin()]),
                ("highest", voltage.loc[voltage.vm_pu.idxmax()]),
            )
        ]
        yield f"Voltages of areas: {'; '.join(parts)}."


def branch_name(row: pd.Series) -> str:
    """A branch in words: element, name if it has one, and the buses at its ends."""
    ends = [str(int(end)) for end in (row.from_bus, row.to_bus) if not pd.isna(end)]
    named = f" {row['name']}" if isinstance(row["name"], str) and row["name"] else ""
    return f"{row.element}{named} (bus {' to '.join(ends)})"


def key_figures(runs: Sequence[ReportRun]) -> Markup:
    """Every key figure by group: meaning, unit, values, and differences to the first run."""
    known = {figure.name for figures in groups().values() for figure in figures}
    others = list(dict.fromkeys(str(name) for run in runs for name in run.run.kpis if name not in known))
    extra = [KeyFigure(UNLISTED, name, "", "", "not in the catalogue of this version", "") for name in others]
    parts = [
        tag("details", tag("summary", group), _figures(figures, runs), open="" if k == 0 or k == 1 else None)
        for k, (group, figures) in enumerate([*groups().items(), *([(UNLISTED, extra)] if extra else [])])
    ]
    return joined(parts)


def _figures(figures: Sequence[KeyFigure], runs: Sequence[ReportRun]) -> Markup:
    rows: list[tuple[object, ...]] = []
    for figure in figures:
        values = [run.run.kpis.get(figure.name) for run in runs]
        if any(isinstance(value, dict) for value in values):
            names = dict.fromkeys(part for value in values if isinstance(value, dict) for part in value)
            for part in names:
                each = [value.get(part) if isinstance(value, dict) else None for value in values]
                rows.append(_figure(figure, f"{figure.name}.{part}", each))
        else:
            rows.append(_figure(figure, figure.name, values))
    labels = [run.label for run in runs]
    head = ("key figure", "unit", *labels, *(f"{label} less {labels[0]}" for label in labels[1:]))
    return table(head, rows, range(2, 2 * len(runs) + 1), class_="kpis")


def _figure(figure: KeyFigure, name: str, values: Sequence[float | None]) -> tuple[object, ...]:
    first = values[0]
    differences = [
        NOTHING if value is None or first is None else number(value - first, signed=True)
        for value in values[1:]
    ]
    sign = f" ({figure.sign})" if figure.sign not in ("", "0 or more") else ""
    says = tag("span", tag("code", name), tag("small", f"{figure.meaning.replace('`', '')}{sign}"))
    return says, figure.unit, *(number(value) for value in values), *differences
