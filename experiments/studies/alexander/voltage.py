"""The voltage-bound kind of case: its base state, and which published findings on voltage hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from math import inf

import pandas as pd

from tandem_sim.experiments.studies.alexander.cases import KINDS, SHARED, VOLTAGE_BOUND, generate
from tandem_sim.experiments.studies.alexander.published import (
    COMMON,
    MAX_VOLTAGE_VIOLATION_PCT,
    SAFE,
    VOLTAGE_VIOLATIONS,
)
from tandem_sim.experiments.studies.alexander.tables import (
    cause_table,
    inefficiency_table,
    markdown,
    number,
    safety_table,
    unqualified_table,
)
from tandem_sim.experiments.studies.alexander.trials import CHAPTER_4, DECIMALS, Setting, scheme_of
from tandem_sim.grids.power_flow.constraints import Violations, ac_violations
from tandem_sim.markets.cases.case import Case
from tandem_sim.markets.cases.clear import clear_case

VOLTAGE = Setting(study="voltage-bound", label="voltage-bound, interface fixed", recipe=VOLTAGE_BOUND)

_BAND = {name: getattr(VOLTAGE_BOUND, name) for name in ("root_vm_pu", "vm_min_pu", "vm_max_pu")}
_SCHEMES = (
    "multilevel-01",
    "multilevel-02",
    "multilevel-03",
    "multilevel-04",
    "multilevel-05",
    "multilevel-06",
)
STEPS = [
    Setting(study="what makes voltage bind", label=label, recipe=recipe, kinds=("B",), schemes=_SCHEMES)
    for label, recipe in (
        ("recipe of the bundled cases", SHARED),
        ("set-point 1.04 p.u., band 0.95 to 1.05", replace(SHARED, **_BAND)),
        ("the same, lines of 2 to 3 times the base flow", replace(VOLTAGE_BOUND, volume=1.0, need_mw=8.0)),
        ("the same, twice the feeders' bids", replace(VOLTAGE_BOUND, need_mw=8.0)),
        ("the same, twice the need: voltage-bound", VOLTAGE_BOUND),
        ("three times the bids and the need", replace(VOLTAGE_BOUND, volume=3.0, need_mw=24.0)),
        ("four times the bids and the need", replace(VOLTAGE_BOUND, volume=4.0, need_mw=32.0)),
    )
]
"""From the recipe of the bundled cases to the voltage-bound one and beyond, a step at a time."""

Outside = Callable[[str, str], pd.Series]
"""Of a kind and a scheme, a number for each case, by seed."""


def with_base_states(results: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """Rows of a setting with what is true of their case before any market.

    Columns that start with ``base_`` are by the linear model, with ``ac_base_`` by AC power flow;
    ``common_without_band_eur_per_h`` is the cost of the common market on the same case without a band.
    """
    rows = []
    for kind, seed in results[["kind", "seed"]].drop_duplicates().itertuples(index=False):
        linear, ac = _broken(generate(kind, seed, setting.recipe))
        without = replace(setting.recipe, vm_min_pu=0.0, vm_max_pu=inf)
        free = clear_case(generate(kind, seed, without), scheme_of(COMMON))
        rows.append(
            {
                "kind": kind,
                "seed": seed,
                "base_congested_lines": linear.lines,
                "base_voltage_violations": linear.buses,
                "base_max_voltage_violation_pct": round(linear.max_voltage_pct, DECIMALS),
                "ac_base_voltage_violations": ac.buses,
                "common_without_band_eur_per_h": round(free.cost_eur_per_h, DECIMALS),
            }
        )
    return results.merge(pd.DataFrame(rows), on=["kind", "seed"], how="left", validate="many_to_one")


def voltage_tables(results: pd.DataFrame) -> str:
    """All tables of the kind as one markdown text, from rows with base states (`usable`)."""
    bound = results[results.study == VOLTAGE.study]
    parts = ["## Before the market", base_table(bound)]
    parts += ["## Buses outside their band after all markets", voltage_table(bound)]
    parts += ["## Published findings on voltage", findings_table(bound)]
    parts += ["## Inefficiency (%), voltage-bound", inefficiency_table(bound)]
    parts += ["## Limits broken, voltage-bound", safety_table(bound)]
    parts += ["## Volume not qualified (%), voltage-bound", unqualified_table(bound)]
    steps = results[results.study == STEPS[0].study]
    parts += [f"## Experiment: {STEPS[0].study}", cause_table(steps)]
    return "\n".join(parts)


def _broken(case: Case) -> tuple[Violations, Violations]:
    """Limits of all feeders that the base state breaks, by the linear model and by AC power flow."""
    linear, ac = Violations(), Violations()
    for area in case.areas.values():
        linear = linear.worst_with(area.rows.violations())
        state = area.power_flow.solve(area.network.p_mw, area.network.q_mvar)
        ac = ac.worst_with(ac_violations(state, area.rows))
    return linear, ac


def base_table(results: pd.DataFrame) -> str:
    """Buses outside their band before the market, and cases in which the band makes `common` dearer."""
    rows = []
    for kind in KINDS:
        cases = results[(results.kind == kind) & (results.scheme == COMMON)]
        buses, ac = cases.base_voltage_violations, cases.ac_base_voltage_violations
        dearer = cases.common_eur_per_h - cases.common_without_band_eur_per_h
        rows.append(
            [
                kind,
                str(len(cases)),
                f"{buses.median():g} ({buses.max()})",
                f"{(buses > 0).sum()}",
                f"{ac.median():g} ({ac.max()}), {(ac > 0).sum()}",
                f"{cases.base_congested_lines.median():.0f}",
                f"{(dearer > 1e-3 * cases.common_eur_per_h.abs()).sum()}",
            ]
        )
    columns = ["kind", "cases", "buses outside before the market, median (most)", "cases with any"]
    columns += ["by AC: median (most), cases", "lines overloaded", "cases in which the band costs over 0.1 %"]
    return markdown(columns, rows)


def voltage_table(results: pd.DataFrame) -> str:
    """Buses outside their band after all markets, and the worst violation: published, and here."""
    columns = [
        "scheme",
        "kind",
        "buses published",
        "median [quartiles] (most) here",
        "by AC",
        "cases with any",
    ]
    columns += ["worst % published", "median (most) here"]
    rows = []
    for scheme in CHAPTER_4:
        for k, kind in enumerate(KINDS):
            part = results[(results.kind == kind) & (results.scheme == scheme)]
            stated = VOLTAGE_VIOLATIONS.get(scheme, SAFE)[k]
            buses, depth = part.voltage_violations, part.max_voltage_violation_pct
            if stated == 0 and not buses.any():
                continue
            middle, low, high = (f"{buses.quantile(q):.3g}" for q in (0.5, 0.25, 0.75))
            rows.append(
                [
                    scheme,
                    kind,
                    f"{stated:g}",
                    f"{middle} [{low}; {high}] ({buses.max()})",
                    f"{part.ac_voltage_violations.median():g} ({part.ac_voltage_violations.max()})",
                    f"{(buses > 0).sum()}/{len(part)}",
                    f"{MAX_VOLTAGE_VIOLATION_PCT.get(scheme, SAFE)[k]:g}",
                    f"{number(depth.median(), 1)} ({depth.max():.1f})",
                ]
            )
    return markdown(columns, rows)


def findings_table(results: pd.DataFrame) -> str:
    """Published findings on voltage (tables 4-2, 4-5 and 4-8), and in how many cases each holds here."""

    def buses(kind: str, scheme: str) -> pd.Series:
        return _by_seed(results, kind, scheme).voltage_violations

    def loss(kind: str, scheme: str) -> pd.Series:
        return _by_seed(results, kind, scheme).inefficiency_pct

    rows = []
    for text, holds in _findings(buses, loss):
        rows.append([text, f"{int(holds.sum())} of {len(holds)}"])
    return markdown(["published", "holds here in"], rows)


def _findings(buses: Outside, loss: Outside) -> list[tuple[str, pd.Series]]:
    """Sentence and whether it holds, by case."""
    all_kept = {kind: _none_outside(buses, kind, CHAPTER_4) for kind in KINDS}
    kept = [s for s in CHAPTER_4 if s not in VOLTAGE_VIOLATIONS]
    one, two, five = (f"multilevel-0{k}" for k in (1, 2, 5))
    both = {kind: (buses(kind, "multilevel-03") == 0) & (buses(kind, "multilevel-04") == 0) for kind in "BC"}
    dearer = {kind: loss(kind, "multilevel-03") - loss(kind, "multilevel-04") for kind in "BC"}
    gap = {kind: loss(kind, "multilevel-03/uniform") - loss(kind, "multilevel-03") for kind in "BC"}
    least = 0.01  # percentage points: less is no difference
    return [
        ("A: no bus outside its band under any scheme", all_kept["A"]),
        ("D: no bus outside its band under any scheme", all_kept["D"]),
        ("B: multilevel-01 puts buses outside (10)", buses("B", one) > 0),
        ("B: multilevel-02 leaves buses outside (35)", buses("B", two) > 0),
        ("B: multilevel-02 leaves more outside than multilevel-01", buses("B", two) > buses("B", one)),
        ("B: multilevel-05 leaves buses outside (21)", buses("B", five) > 0),
        ("B: multilevel-06 keeps the band", buses("B", "multilevel-06") == 0),
        ("B: all of 03, 04, 06, aggregation and common keep the band", _none_outside(buses, "B", kept)),
        ("C: multilevel-01 puts buses outside (9)", buses("C", one) > 0),
        ("C: multilevel-02 keeps the band", buses("C", two) == 0),
        ("C: multilevel-05 keeps the band", buses("C", five) == 0),
        (
            "B: multilevel-03 is dearer than multilevel-04, both in the band",
            both["B"] & (dearer["B"] > least),
        ),
        (
            "C: multilevel-03 is dearer than multilevel-04, both in the band",
            both["C"] & (dearer["C"] > least),
        ),
        ("B: uniform is dearer than price-based", gap["B"] > least),
        ("C: uniform is dearer than price-based", gap["C"] > least),
    ]


def _none_outside(buses: Outside, kind: str, schemes: Iterable[str]) -> pd.Series:
    return pd.concat([buses(kind, scheme) for scheme in schemes], axis=1).eq(0).all(axis=1)


def _by_seed(results: pd.DataFrame, kind: str, scheme: str) -> pd.DataFrame:
    return results[(results.kind == kind) & (results.scheme == scheme)].set_index("seed")
