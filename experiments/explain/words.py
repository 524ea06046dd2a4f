"""Numbers and names of an explanation as text."""

from __future__ import annotations

from tandem_sim.experiments.explain.tables import (
    Bid,
    way,
)
from tandem_sim.experiments.results.terminal_text import decimals
from tandem_sim.grids.tolerances import EQUAL_MW
from tandem_sim.markets.services.substitution import SUBSTITUTION
from tandem_sim.markets.settlement.payments import RESERVE

LEAST_SHOWN_MW = 5e-5

MARKETS = {
    "dso_market": "the local market of {}",
    "corrective_market": "the corrective market of {}",
    "dso_balancing": "the local market of {}, which keeps the scheduled interface flow",
    "tso_market": "the TSO's market",
    "common_market": "the common market",
    "integrated_market": "the integrated market",
    "translate_bids": "the DSO of {} on behalf of the TSO",
    RESERVE: "the automatic reserve",
    SUBSTITUTION: "the TSO's substitution of blocked energy",
}


def name_of(market: str, system: str) -> str:
    """Name of a market in a sentence, for the bids of a system."""
    return MARKETS.get(market, market).format(system)


def mw_text(mw: float) -> str:
    """Power with its unit, with four decimals if it is below 1 MW."""
    if EQUAL_MW < abs(mw) < LEAST_SHOWN_MW:
        return "less than 0.0001 MW"
    return f"{number(mw)} MW"


def part_of(mw: float, whole_mw: float) -> str:
    """A part of a power and the whole of it."""
    return f"{number(mw)} of {number(whole_mw)} MW"


def number(mw: float) -> str:
    """Power without its unit."""
    return decimals(mw, 4 if abs(mw) < 1.0 else 2)


def capital(text: str) -> str:
    """Text with a capital letter at its beginning."""
    return text[0].upper() + text[1:]


def per_mwh(price: float) -> str:
    """A price with its unit."""
    return f"{decimals(price, 2)} EUR/MWh"


def eur(amount: float) -> str:
    """Money with its unit."""
    return f"{decimals(amount, 2 if abs(amount) >= 0.1 else 4)} EUR"


def terms(direction: int, price: float) -> str:
    """Price terms of a bid. A seller of a down bid takes energy and pays a positive price."""
    if direction > 0:
        return f"asked {per_mwh(price)}"
    return (
        f"offered {per_mwh(price)} for energy" if price >= 0.0 else f"asked {per_mwh(-price)} to take energy"
    )


def purchase_terms(bid: Bid) -> str:
    """The purpose of a company's bid to buy, and its price limit."""
    if bid.direction < 0:
        return f"energy for its shortage, at no more than {per_mwh(bid.price)}"
    return f"the sale of its surplus, at no less than {per_mwh(bid.price)}"


def needed(mw: float) -> str:
    """The need of a market: injection, positive up."""
    return f"needed {mw_text(abs(mw))} {way(1 if mw > 0 else -1)}" if abs(mw) > EQUAL_MW else "needed nothing"
