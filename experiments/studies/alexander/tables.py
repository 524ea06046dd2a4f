"""Markdown tables: medians and quartiles of this study beside the published numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tandem_sim.experiments.studies.alexander.cases import KINDS
from tandem_sim.experiments.studies.alexander.published import (
    COMMON,
    CONGESTED_LINES,
    INEFFICIENCY_PCT,
    MAX_OVERLOAD_PCT,
    MAX_VOLTAGE_VIOLATION_PCT,
    SAFE,
    SECONDS,
    UNQUALIFIED_DOWN_PCT,
    UNQUALIFIED_UP_PCT,
    VOLTAGE_VIOLATIONS,
    ByKind,
    is_safe,
)
from tandem_sim.experiments.studies.alexander.trials import BEYOND, CHAPTER_4, with_safety

EUR_STUDIES = ("need", "step")
"""Experiments whose table also states the loss in EUR/h."""
UNQUALIFIED_STUDIES = ("blocked", "volume")
"""Experiments whose table also states the volume not qualified."""


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table, first column to the left, the others to the right."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def usable(results: pd.DataFrame) -> pd.DataFrame:
    """Rows of cases whose limits the common market can keep, with the column `safe`."""
    table = with_safety(results)
    return table[table.solvable]


def inefficiency_table(results: pd.DataFrame) -> str:
    """Inefficiency (%): published, and our median [quartiles] with the share of safe cases; by kind."""
    columns = ["scheme", *(f"{kind} {what}" for kind in KINDS for what in ("published", "here"))]
    rows = []
    for scheme in CHAPTER_4:
        row = [scheme]
        for k, kind in enumerate(KINDS):
            published = INEFFICIENCY_PCT.get(scheme)
            mark = "" if is_safe(scheme, k) else " (unsafe)"
            row.append("" if published is None else f"{published[k]:.2f}{mark}")
            row.append(_spread_and_safety(_part(results, kind, scheme)))
        rows.append(row)
    return markdown(columns, rows)


def safety_table(results: pd.DataFrame) -> str:
    """Limits broken: published number and worst depth, and our medians (largest of all cases)."""
    columns = ["scheme", "kind", "lines published", "here", "worst % published", "here"]
    columns += ["buses published", "here", "worst % published", "here"]
    measures: list[tuple[Mapping[str, ByKind], str]] = [
        (CONGESTED_LINES, "congested_lines"),
        (MAX_OVERLOAD_PCT, "max_overload_pct"),
        (VOLTAGE_VIOLATIONS, "voltage_violations"),
        (MAX_VOLTAGE_VIOLATION_PCT, "max_voltage_violation_pct"),
    ]
    rows = []
    for scheme in CHAPTER_4:
        for k, kind in enumerate(KINDS):
            part = _part(results, kind, scheme)
            if is_safe(scheme, k) and part.safe.all():
                continue
            row = [scheme, kind]
            for published, column in measures:
                values = part[column]
                row += [f"{published.get(scheme, SAFE)[k]:g}", f"{values.median():.4g} ({values.max():.4g})"]
            rows.append(row)
    return markdown(columns, rows)


def agreement_table(recipes: Mapping[str, pd.DataFrame]) -> str:
    """How often published sign, safety and value are met by our median, majority and range; by recipe."""
    rows = []
    for name, results in recipes.items():
        sign, safety, within = [], [], []
        for scheme in CHAPTER_4:
            for k, kind in enumerate(KINDS):
                part, published = _part(results, kind, scheme), INEFFICIENCY_PCT.get(scheme)
                if published is None or scheme == COMMON:
                    continue
                values, stated = part.inefficiency_pct, published[k]
                sign.append(np.sign(round(values.median(), 2)) == np.sign(stated))
                safety.append((part.safe.mean() > 0.5) == is_safe(scheme, k))
                within.append(values.min() <= stated <= values.max())
        rows.append([name, *(f"{sum(met)} of {len(met)}" for met in (sign, safety, within))])
    columns = ["recipe", "sign of the median", "safe in most cases or not", "value within our range"]
    return markdown(columns, rows)


def unqualified_table(results: pd.DataFrame) -> str:
    """Volume (%) that prequalification holds back: published, and our median [quartiles]."""
    columns = [
        "scheme",
        *(f"{k} {d} {w}" for k in KINDS for d in ("up", "down") for w in ("published", "here")),
    ]
    rows = []
    for scheme, up in UNQUALIFIED_UP_PCT.items():
        row = [scheme]
        for k, kind in enumerate(KINDS):
            part = _part(results, kind, scheme)
            for published, column in (
                (up, "unqualified_up_pct"),
                (UNQUALIFIED_DOWN_PCT[scheme], "unqualified_down_pct"),
            ):
                row += [f"{published[k]:.1f}", _spread(part[column], 0)]
        rows.append(row)
    return markdown(columns, rows)


def beyond_table(results: pd.DataFrame) -> str:
    """Schemes that chapter 4 does not have: inefficiency, safe share, need left unserved."""
    rows = [
        [scheme, *(_spread_and_safety(_part(results, kind, scheme), unserved=True) for kind in KINDS)]
        for scheme in BEYOND
    ]
    return markdown(["scheme", *KINDS], rows)


def cause_table(results: pd.DataFrame) -> str:
    """One experiment: a row per setting and kind, a column per scheme."""
    schemes = list(dict.fromkeys(results.scheme))
    study = str(results.study.iloc[0])
    rows = []
    for label in dict.fromkeys(results.label):
        for kind in dict.fromkeys(results.kind):
            part = results[(results.label == label) & (results.kind == kind)]
            common = part.drop_duplicates("seed").common_eur_per_h
            cells = [_cause_cell(part[part.scheme == scheme], study) for scheme in schemes]
            rows.append([label, kind, str(len(common)), f"{common.median():.0f}", *cells])
    return markdown(["setting", "kind", "cases", "common, EUR/h", *schemes], rows)


def time_table(times: pd.DataFrame) -> str:
    """Seconds of one clearing: published where stated, and our median over all cases."""
    rows = []
    for scheme in dict.fromkeys(times.scheme):
        values = times[times.scheme == scheme].seconds
        published = SECONDS.get(scheme)
        stated = "" if published is None else f"{min(published):.3g} to {max(published):.3g}"
        quartiles = (1e3 * values.quantile(q) for q in (0.5, 0.25, 0.75))
        rows.append([scheme, stated, "{:.0f} [{:.0f}; {:.0f}]".format(*quartiles)])
    return markdown(["scheme", "published, s", "here, ms"], rows)


def _part(results: pd.DataFrame, kind: str, scheme: str) -> pd.DataFrame:
    return results[(results.kind == kind) & (results.scheme == scheme)]


def _spread(values: pd.Series, decimals: int = 2) -> str:
    middle, low, high = (number(values.quantile(q), decimals) for q in (0.5, 0.25, 0.75))
    return f"{middle} [{low}; {high}]"


def number(value: float, decimals: int = 2) -> str:
    """A number without a minus sign on zero."""
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0.0 else text


def _spread_and_safety(part: pd.DataFrame, unserved: bool = False) -> str:
    safe = int(part.safe.sum())
    text = _spread(part.inefficiency_pct) + f", safe {safe}/{len(part)}"
    missing = part.unserved_imbalance_mw
    if unserved and missing.max() > 1e-6:
        text += f", {missing.median():.1f} MW unserved"
    return text


def _cause_cell(part: pd.DataFrame, study: str) -> str:
    text = _spread_and_safety(part)
    if study in EUR_STUDIES:
        return f"{text}, {number((part.cost_eur_per_h - part.common_eur_per_h).median(), 1)} EUR/h"
    if not part.safe.all():
        text += f", {part.congested_lines.median():.0f} lines {part.max_overload_pct.median():.0f} %"
        text += f", {part.voltage_violations.median():.0f} buses" if part.voltage_violations.any() else ""
    if study in UNQUALIFIED_STUDIES and part.unqualified_up_pct.notna().all():
        text += f", {part.unqualified_up_pct.median():.0f} % of up not qualified"
    return text
