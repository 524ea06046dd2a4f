"""Numbers and names of an explanation, in words."""

from __future__ import annotations

from tandem_sim.experiments.explain.tables import (
    Bid,
    way,
)
from tandem_sim.grids.tolerances import EQUAL_MW
from tandem_sim.markets.services.substitution import SUBSTITUTION
from tandem_sim.markets.settlement.payments import RESERVE

LEAST_SHOWN_MW = 5e-5

MARKETS = {
    "dso_market": "the local market of {}",
    "corrective_market": "the corrective market of {}",
    "dso_balancing": "the local market of {}, which holds its flow at the boundary",
    "tso_market": "the TSO's market",
    "common_market": "the common market",
    "integrated_market": "the integrated market",
    "translate_bids": "the DSO of {} on behalf of the TSO",
    RESERVE: "the automatic reserve",
    SUBSTITUTION: "the TSO, to replace what limits blocked",
}


def name_of(market: str, system: str) -> str:
    """Who calls bids of a system in a market of the ledger."""
    return MARKETS.get(market, market).format(system)


def mw_text(mw: float) -> str:
    """Power with its unit: to the tick of a household's bid where it is small."""
    if EQUAL_MW < abs(mw) < LEAST_SHOWN_MW:
        return "less than 0.0001 MW"
    return f"{number(mw)} MW"


def part_of(mw: float, whole_mw: float) -> str:
    """A part of a power and the whole of it."""
    return f"{number(mw)} of {number(whole_mw)} MW"


def number(mw: float) -> str:
    """Power without its unit."""
    return f"{mw + 0.0:.4f}" if abs(mw) < 1.0 else f"{mw:.2f}"


def capital(text: str) -> str:
    """Text that begins a sentence."""
    return text[0].upper() + text[1:]


def per_mwh(price: float) -> str:
    """A price with its unit."""
    return f"{round(price, 2) + 0.0:.2f} EUR/MWh"


def eur(amount: float) -> str:
    """Money with its unit."""
    return f"{amount:.2f} EUR" if abs(amount) >= 0.1 else f"{round(amount, 4) + 0.0:.4f} EUR"


def terms(direction: int, price: float) -> str:
    """What a seller wanted or gave for a MWh; whoever goes down takes energy, and pays a positive price."""
    if direction > 0:
        return f"asked {per_mwh(price)}"
    return (
        f"offered {per_mwh(price)} for energy" if price >= 0.0 else f"asked {per_mwh(-price)} to take energy"
    )


def wish(bid: Bid) -> str:
    """What a company wanted to buy, and up to which price."""
    if bid.direction < 0:
        return f"energy that it lacks, for no more than {per_mwh(bid.price)}"
    return f"a way out for its surplus, for which it takes no less than {per_mwh(bid.price)}"


def needed(mw: float) -> str:
    """What a market had to buy: injection wanted, positive up."""
    return f"needed {mw_text(abs(mw))} {way(1 if mw > 0 else -1)}" if abs(mw) > EQUAL_MW else "needed nothing"
