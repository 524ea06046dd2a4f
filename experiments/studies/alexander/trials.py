"""Many cases cleared under many schemes: one row per case and scheme."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from tandem_sim.experiments.studies.alexander.cases import KINDS, SHARED, TIGHT, Recipe, generate
from tandem_sim.experiments.studies.alexander.published import COMMON, SCHEMES_OF_CHAPTER_4
from tandem_sim.markets.auctions.local_and_tso import FIXED, DsoMarket, Interface
from tandem_sim.markets.cases.case import Case
from tandem_sim.markets.cases.clear import Outcome, clear_case
from tandem_sim.markets.choices import METHODS
from tandem_sim.markets.coordination.block import Block, Scheme
from tandem_sim.markets.schemes import SCHEMES, Options, build_schemes

FREE = Interface(price_eur_per_mwh=0.0, bound_mw=None)
"""The first local market leaves its interface flow free; the TSO's market balances the change."""

MEASURES = (
    "cost_eur_per_h",
    "inefficiency_pct",
    "congested_lines",
    "max_overload_pct",
    "voltage_violations",
    "max_voltage_violation_pct",
    "unserved_imbalance_mw",
    "unqualified_up_pct",
    "unqualified_down_pct",
)
AC_MEASURES = ("congested_lines", "max_overload_pct", "voltage_violations", "max_voltage_violation_pct")
DECIMALS = 6

CHAPTER_4 = (*SCHEMES_OF_CHAPTER_4, "aggregation/exact", "multilevel-03/uniform", "multilevel-03/disqualify")
"""Chapter 4's schemes, its prequalification methods, and exact aggregation, which it does not have."""

BEYOND = tuple(name for name in SCHEMES if name not in SCHEMES_OF_CHAPTER_4)
"""Every other scheme there is."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Cases and schemes of an experiment, and the interface rule of the first local market."""

    study: str
    label: str
    recipe: Recipe = SHARED
    kinds: Sequence[str] = KINDS
    schemes: Sequence[str] = CHAPTER_4
    first_market: Interface = FIXED


MAIN = Setting(
    study="shared", label="recipe of the bundled cases, interface fixed", schemes=(*CHAPTER_4, *BEYOND)
)
STRESSED = Setting(study="tight", label="tight grids, first layer free", recipe=TIGHT, first_market=FREE)


def scheme_of(label: str, first_market: Interface = FIXED) -> Scheme:
    """The scheme of ``name``, ``name/method``, ``aggregation/step`` (MW) or ``aggregation/exact``.

    `first_market` replaces the interface rule of a local market that other markets follow.
    """
    name, _, variant = label.partition("/")
    method = next((method for method in METHODS if method == variant), None)
    if method is not None:
        options = Options(grid_prequalification=method)
    elif variant == "exact":
        options = Options(aggregation="exact")
    else:
        options = Options(aggregation_step_mw=float(variant)) if variant else Options()
    scheme = build_schemes(options)[name]
    first = scheme.steps[0]
    leads = isinstance(first, Block) and first.name == "dso_market" and len(scheme.steps) > 1
    if first_market == FIXED or not leads:
        return scheme
    return replace(scheme, steps=(DsoMarket(interface=first_market), *scheme.steps[1:]))


def run_setting(
    setting: Setting, seeds: Iterable[int], on_case: Callable[[], None] = lambda: None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Results and times (seconds) of every case and scheme of a setting, one row each.

    Columns of both: study, label, kind, seed, scheme. Percentages as in `tandem clear`; columns that start
    with ``ac_`` repeat the violations by AC power flow. Inefficiency is against the common market, whose cost
    stands in ``common_eur_per_h``; ``solvable`` says whether that market keeps all limits: where it does not,
    no scheme can, and its cost is no yardstick.
    """
    schemes = {label: scheme_of(label, setting.first_market) for label in setting.schemes}
    common = scheme_of(COMMON)
    results, times = [], []
    for seed in seeds:
        for kind in setting.kinds:
            case = generate(kind, seed, setting.recipe)
            reference = clear_case(case, common)
            solvable = reference.linear.lines == 0 and reference.linear.buses == 0
            yardstick = {"common_eur_per_h": round(reference.cost_eur_per_h, DECIMALS), "solvable": solvable}
            key = {"study": setting.study, "label": setting.label, "kind": kind, "seed": seed}
            for label, scheme in schemes.items():
                outcome = reference if label == COMMON else clear_case(case, scheme)
                results.append({**key, "scheme": label, **yardstick, **_measures(outcome, reference)})
                times.append({**key, "scheme": label, "seconds": outcome.seconds})
            on_case()
    return _ordered(results, setting), _ordered(times, setting)


def warm_up(schemes: Iterable[str]) -> None:
    """Clear one case under every scheme, so that no first call is timed."""
    case: Case = generate(KINDS[0], 0)
    for label in schemes:
        clear_case(case, scheme_of(label))


def _measures(outcome: Outcome, common: Outcome) -> dict[str, Any]:
    entry = outcome.as_dict(common.cost_eur_per_h)
    # Adding zero turns -0.0, which depends on the order of sums, into 0.0.
    measures = {name: round(entry[name], DECIMALS) + 0.0 for name in MEASURES if name in entry}
    ac = {f"ac_{name}": round(entry["ac"][name], DECIMALS) + 0.0 for name in AC_MEASURES}
    return {**dict.fromkeys(MEASURES, float("nan")), **measures, **ac}


def _ordered(rows: list[dict[str, Any]], setting: Setting) -> pd.DataFrame:
    """Rows by kind, then seed, then scheme as the setting lists them."""
    table = pd.DataFrame(rows)
    counts = [
        name for name in table.columns.astype(str) if name.endswith(("congested_lines", "voltage_violations"))
    ]
    table = table.astype(dict.fromkeys(counts, int))
    rank = table.kind.map({kind: k for k, kind in enumerate(setting.kinds)})
    return table.assign(rank=rank).sort_values(["rank", "seed"], kind="stable").drop(columns="rank")


def with_safety(results: pd.DataFrame) -> pd.DataFrame:
    """The same rows with `safe`: no limit of a feeder broken, by the linear model that clears."""
    return results.assign(safe=(results.congested_lines == 0) & (results.voltage_violations == 0))
