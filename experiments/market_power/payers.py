"""Who pays in the end, from the table ``settlement`` of a run.

Operators recover what they pay from consumers by tariffs, and BRPs pass their imbalances on to the customers
they supply. So consumers stand behind the TSO, the DSOs and the BRPs, and what they pay is all that these
pay to anybody else, less what they get from them:

  activation, capacity, reactive, non-firm compensation: paid by operators to sellers and households
  unavailability, shortfall: charged to sellers, so less
  imbalance: paid to sellers that are long, charged to those that are short

Payments among them cancel: the imbalance of a BRP is what operators collect and its customers bear; so do
purchases of companies. What passes among sellers, households and customers (household cost, substitution,
curtailment trade) is none of it. Energy bills, tariffs and losses are outside the model.
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
"""Kinds of payments that cross the line between consumers and the rest."""
OTHER = ("capacity", "unavailability", "reactive", "imbalance", "shortfall", "substitution")
"""What a seller is paid and charged beside its awards."""


def operators_of(areas: Sequence[str]) -> list[str]:
    """Names of the operators in the settlement."""
    return ["TSO", *(f"DSO-{area}" for area in areas)]


def procurement_eur(settlement: pd.DataFrame, areas: Sequence[str]) -> dict[str, float]:
    """What each operator pays for energy activated (kinds ``activation`` and ``make-whole``), EUR."""
    paid = settlement[settlement.kind.isin(FOR_ENERGY)].groupby("payer").amount_eur.sum()
    return {name: float(paid.get(name, 0.0)) for name in operators_of(areas)}


def consumer_cost(settlement: pd.DataFrame, areas: Sequence[str]) -> dict[str, Any]:
    """What consumers pay in the end, EUR: `total_eur`, split `by_party_eur` and `by_kind_eur`.

    Both splits add up to the total. A party's share is all that it pays less all that it gets, payments
    among operators and BRPs included; these are no consumer cost and have no kind here.
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
    """What every party gets less what it pays beside awards (kinds of `OTHER`), EUR."""
    some = settlement[settlement.kind.isin(OTHER)]
    net = some.groupby("payee").amount_eur.sum().sub(some.groupby("payer").amount_eur.sum(), fill_value=0.0)
    return {str(name): float(amount) for name, amount in net.items()}
