"""Cost of consumers, from the table ``settlement`` of a run.

Operators recover their payments from consumers by tariffs, and BRPs charge their imbalances to the customers
they supply. So consumers bear the cost of the TSO, the DSOs and the BRPs: all payments of these to other
parties, less their receipts from them:

  activation, capacity, reactive, non-firm compensation: paid by operators to sellers and households
  unavailability, shortfall: charged to sellers, so less
  imbalance: paid to sellers that are long, charged to those that are short

Payments among them cancel: the imbalance charge of a BRP is a receipt of operators and a cost of its
customers. The same holds for purchases of companies. Payments among sellers, households and customers
(household cost, substitution, curtailment trade) are not included. Energy bills, tariffs and losses are
outside the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from tandem_sim.markets.settlement.payments import FOR_ENERGY

KINDS = (
    *FOR_ENERGY,
    "capacity",
    "reactive",
    "non-firm compensation",
    "unavailability",
    "shortfall",
    "imbalance",
)
"""Kinds of payments between consumers (by their operators and BRPs) and other parties."""
OTHER = ("capacity", "unavailability", "reactive", "imbalance", "shortfall", "substitution")
"""Kinds of payments and charges of a seller besides its awards."""


def operators_of(areas: Sequence[str]) -> list[str]:
    """Names of the operators in the settlement."""
    return ["TSO", *(f"DSO-{area}" for area in areas)]


def procurement_eur(settlement: pd.DataFrame, areas: Sequence[str]) -> dict[str, float]:
    """What each operator pays for energy activated (kinds ``activation`` and ``make-whole``), EUR."""
    paid = settlement[settlement.kind.isin(FOR_ENERGY)].groupby("payer").amount_eur.sum()
    return {name: float(paid.get(name, 0.0)) for name in operators_of(areas)}


def consumer_cost(settlement: pd.DataFrame, areas: Sequence[str]) -> dict[str, Any]:
    """Cost of consumers, EUR: `total_eur`, and its parts `by_party_eur` and `by_kind_eur`.

    Both sum to the total. A party's part is all its payments less all its receipts, with payments among
    operators and BRPs. These payments are no consumer cost, and no part by kind has them.
    """
    members = [*operators_of(areas), "BRP-T", *(f"BRP-{area}" for area in areas)]
    out, into = settlement.payer.isin(members), settlement.payee.isin(members)
    crossing = settlement.amount_eur.where(out, 0.0) - settlement.amount_eur.where(into, 0.0)
    by_kind = crossing[out != into].groupby(settlement.kind).sum()
    paid = settlement.groupby("payer").amount_eur.sum()
    got = settlement.groupby("payee").amount_eur.sum()
    kinds = [*KINDS, *sorted(set(by_kind.index) - set(KINDS))]  # none is lost, should there be a new one
    return {
        "total_eur": float(crossing.sum()),
        "by_party_eur": {name: float(paid.get(name, 0.0) - got.get(name, 0.0)) for name in members},
        "by_kind_eur": {kind: float(by_kind.get(kind, 0.0)) for kind in kinds},
    }


def other_receipts_eur(settlement: pd.DataFrame) -> dict[str, float]:
    """Receipts less payments of every party besides awards (kinds of `OTHER`), EUR."""
    some = settlement[settlement.kind.isin(OTHER)]
    net = some.groupby("payee").amount_eur.sum().sub(some.groupby("payer").amount_eur.sum(), fill_value=0.0)
    return {str(name): float(amount) for name, amount in net.items()}
