"""Mark-ups, withheld energy and profits of sellers, from the table ``sellers`` of a run.

Signs: an up bid of price p costs its buyer +p per MWh, a down bid -p. Mark-ups are signed by direction, so
that a dearer up bid and a cheaper down bid are both positive.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.markets.orders.bids import UP

_KEY = ["isp", "system", "provider", "direction"]
QUARTERS = 4
"""Equal parts of a run, of which convergence compares the first and the last two."""


def with_asked(sellers: pd.DataFrame, activations: pd.DataFrame) -> pd.DataFrame:
    """Rows of `sellers` with `asked_eur_per_h`: the signed cost of their awards at the prices bid."""
    amount = activations.direction * activations.price_eur_per_mwh * activations.quantity_mw
    asked = amount.groupby([activations[key] for key in _KEY]).sum()
    keys = pd.MultiIndex.from_frame(sellers[_KEY])
    return sellers.assign(asked_eur_per_h=asked.reindex(keys, fill_value=0.0).to_numpy(dtype=np.float64))


def seller_figures(rows: pd.DataFrame, hours: float) -> dict[str, Any]:
    """Figures of a seller or of all of them, from rows of `with_asked`; `hours` is the length of an ISP.

    `profit_eur` is what buyers pay for awards less the true cost of the MW sold; capacity, imbalances and
    penalties are no part of it. `withheld_mwh` is what could have been offered and is not in the books of
    the markets, kept back by the seller or refused by the rules.
    `markup_sold_eur_per_mwh` is price bid less cost, by MW sold (of the very bids that were sold);
    `markup_offered_eur_per_mwh` by MW offered, the mean price of what is offered less its mean cost. Both are
    None where the weights are.
    `lerner_up` is (paid - cost) / paid of energy sold upwards, weighted by what is paid; rows (ISP and
    system) with a paid price of zero or less have no such index: they are left out and counted.
    """
    sold, offered = float(rows.sold_mw.sum()), float(rows.offered_mw.sum())
    cost, received = float(rows.cost_eur_per_h.sum()), float(rows.received_eur_per_h.sum())
    kept = rows.available_mw - rows.offered_mw
    up = rows[(rows.direction == UP) & (rows.sold_mw > 0.0)]
    priced = up[up.received_eur_per_h > 0.0]
    revenue = float(priced.received_eur_per_h.sum())
    return {
        "profit_eur": (received - cost) * hours,
        "cost_eur": cost * hours,
        "sold_mwh": sold * hours,
        "offered_mwh": offered * hours,
        "withheld_mwh": float(kept[kept.abs() > NEGLIGIBLE_MW].sum()) * hours,
        "markup_sold_eur_per_mwh": (float(rows.asked_eur_per_h.sum()) - cost) / sold if sold > 0 else None,
        "markup_offered_eur_per_mwh": _offered_markup(rows),
        "lerner_up": 1.0 - float(priced.cost_eur_per_h.sum()) / revenue if revenue > 0.0 else None,
        "lerner_left_out": len(up) - len(priced),
    }


def _offered_markup(rows: pd.DataFrame) -> float | None:
    some = rows[rows.offered_mw > 0.0]
    if some.empty:
        return None
    markup = some.direction * (some.price_eur_per_mwh - some.offered_cost_eur_per_mwh)
    return float(np.average(markup, weights=some.offered_mw))


def convergence(rows: pd.DataFrame, zone: str) -> dict[str, Any]:
    """Whether the mark-ups of a seller converge, from its rows of `with_asked`; `zone` defines its days.

    The regret of a learner would need the markets cleared again at every other mark-up; it is not in the
    tables and not here. What is: the variance over ISPs of the mark-up asked, day by day; the change of its
    mean from the third to the last quarter of the run (EUR/MWh); and the variance of prices asked, within
    each direction and averaged over both, in the first and the last quarter. (EUR/MWh)^2; None where fewer
    than two ISPs have an offer.
    """
    some = rows[rows.offered_mw > 0.0]
    if some.empty:
        none = ("markup_change_last_quarters_eur_per_mwh", "price_variance_first", "price_variance_last")
        return {"markup_variance_by_day": {}, **dict.fromkeys(none)}
    markup = _by_isp(some, some.direction * (some.price_eur_per_mwh - some.offered_cost_eur_per_mwh), ["isp"])
    day = some.groupby("isp").time.first().dt.tz_convert(zone).dt.strftime("%Y-%m-%d")
    quarter = _quarter(markup.index, int(rows.isp.max()) + 1)
    mean = markup.groupby(quarter).mean()
    price = _by_isp(some, some.price_eur_per_mwh, ["isp", "direction"]).unstack()
    part = _quarter(price.index, int(rows.isp.max()) + 1)
    return {
        "markup_variance_by_day": {str(d): _number(v) for d, v in markup.groupby(day).var(ddof=0).items()},
        "markup_change_last_quarters_eur_per_mwh": _number(mean.get(3, np.nan) - mean.get(2, np.nan)),
        "price_variance_first": _number(price[part == 0].var().mean()),
        "price_variance_last": _number(price[part == QUARTERS - 1].var().mean()),
    }


def _by_isp(rows: pd.DataFrame, values: pd.Series, keys: list[str]) -> pd.Series:
    """Mean of values (rows,) by keys, weighted by MW offered."""
    weight = rows.offered_mw.groupby([rows[key] for key in keys]).sum()
    return (values * rows.offered_mw).groupby([rows[key] for key in keys]).sum() / weight


def _quarter(isp: pd.Index, n_isp: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Quarter 0 to 3 of a run that each ISP lies in."""
    return np.asarray(isp, dtype=np.int64) * QUARTERS // n_isp


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def by_isp(rows: pd.DataFrame, hours: float) -> pd.DataFrame:
    """One row per ISP and seller: `profit_eur`, `sold_mwh`, `withheld_mwh`, both mark-ups (nan: none)."""
    markup = rows.direction * (rows.price_eur_per_mwh - rows.offered_cost_eur_per_mwh) * rows.offered_mw
    sums = (
        rows.assign(markup=markup.where(rows.offered_mw > 0.0, 0.0))
        .groupby(["isp", "provider"])
        .sum(numeric_only=True)
    )
    sold, offered = sums.sold_mw.where(sums.sold_mw > 0.0), sums.offered_mw.where(sums.offered_mw > 0.0)
    return pd.DataFrame(
        {
            "profit_eur": (sums.received_eur_per_h - sums.cost_eur_per_h) * hours,
            "sold_mwh": sums.sold_mw * hours,
            "withheld_mwh": (sums.available_mw - sums.offered_mw) * hours,
            "markup_sold_eur_per_mwh": (sums.asked_eur_per_h - sums.cost_eur_per_h) / sold,
            "markup_offered_eur_per_mwh": sums.markup / offered,
        }
    )
