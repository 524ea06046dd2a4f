"""Who informs whom of what under a scheme, and who pays whom: from blocks and from the kinds of payments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tandem_sim.markets.coordination.block import Scheme
from tandem_sim.markets.schemes import SCHEMES
from tandem_sim.markets.settlement.payments import MAKE_WHOLE, PURCHASE, PURCHASE_MAKE_WHOLE, RESERVE

ENTRIES: Mapping[str, tuple[str, str]] = {
    "bids": ("bids", "the order book of the area: bus, direction, MW and price of each bid"),
    "offers": ("MW on offer", "MW of each bid that the TSO's market may take"),
    "exchange": ("exchange", "MW that the local market has added to the area's injection"),
    "grid": ("grid limits", "linear constraints: sensitivities, present state, limits"),
    "sold": ("MW sold", "MW sold of each bid so far"),
    "rsf": ("supply function", "least cost of each change of the area's injection"),
    "boundary": ("interface flow", "interface flow that the DSO commits to, MW"),
    "called": ("MW to be called", "MW of each bid that the TSO would call (merit order list)"),
    "accepted": ("acceptance", "whether the DSO accepts the merit order list"),
    "target": ("change bought", "change of the area's injection that the TSO buys, MW"),
}
"""Entries of operator states that operators send each other: in a word or two, and what they hold."""


@dataclass(frozen=True)
class SentEntries:
    """Messages of one ISP in a run: who clears, who gets bids of areas, entries in both directions."""

    clearer: str
    bids_to: str
    to_clearer: tuple[str, ...]
    to_dso: tuple[str, ...]
    from_tso: tuple[str, ...] = ()  # entries of the TSO, where another party clears


def information(scheme: Scheme) -> SentEntries:
    """What is sent in a run of a scheme, with its default options.

    Where no block is the DSO's, bids of areas go to the party that clears, and the DSO sends its grid only.
    A market operator also has the bids of transmission, so the TSO sends its grid only; the operator sends
    back each book with what was sold.
    """
    foreign = scheme.information_shared()
    clears = any(block.party == "operator" for block in scheme.blocks)
    has_dso = any(block.party == "dso" for block in scheme.blocks)
    read = [name.removeprefix("area.") for name in foreign if name.startswith("area.")]
    to_clearer = read if has_dso else [name for name in read if name == "grid"]
    written = [
        name.removeprefix("area.")
        for block in scheme.blocks
        if block.party != "dso"
        for name in block.writes
        if name.startswith("area.")
    ]
    clearer = "market operator" if clears else "TSO"
    return SentEntries(
        clearer,
        "DSO" if has_dso else clearer,
        tuple(to_clearer),
        tuple(dict.fromkeys(["bids", *written] if clears else written)),
        tuple(name.removeprefix("tso.") for name in foreign if name == "tso.grid"),
    )


def awards_from(scheme: Scheme) -> tuple[str, ...]:
    """Who sends awards of bids in areas to their sellers, in order of time: the operators that buy them."""
    names = {"dso": "DSO", "tso": "TSO", "operator": "market operator"}
    buying = [block.party for block in scheme.blocks if "area.sold" in block.writes]
    return tuple(dict.fromkeys(names[party] for party in buying))


def families() -> dict[SentEntries, tuple[str, ...]]:
    """Schemes by what is sent in them, in the order of the table of schemes."""
    found: dict[SentEntries, list[str]] = {}
    for name, scheme in SCHEMES.items():
        found.setdefault(information(scheme), []).append(name)
    return {key: tuple(names) for key, names in found.items()}


@dataclass(frozen=True)
class Payments:
    """Kinds of payments from one role to another, as table `settlement` names them."""

    payer: str
    payee: str
    kinds: tuple[str, ...]


PAYMENTS: tuple[Payments, ...] = (
    Payments("TSO", "sellers on transmission", ("activation", RESERVE, MAKE_WHOLE, "capacity")),
    Payments("TSO", "aggregators", ("activation", RESERVE, MAKE_WHOLE, "capacity")),
    Payments("DSO", "aggregators", ("activation", MAKE_WHOLE, "capacity", "reactive")),
    Payments("TSO", "BRPs", ("imbalance", PURCHASE, PURCHASE_MAKE_WHOLE)),
    Payments("TSO", "aggregators", ("imbalance",)),
    Payments("sellers on transmission", "TSO", ("unavailability",)),
    Payments("aggregators", "TSO", ("unavailability", "shortfall")),
    Payments("aggregators", "DSO", ("unavailability",)),
    Payments("aggregators", "aggregators", ("substitution",)),
    Payments("aggregators", "households", ("household cost",)),
    Payments("DSO", "households", ("non-firm compensation",)),
    Payments("households", "households", ("curtailment trade",)),
)
"""Who pays whom. A negative amount flows the other way."""
