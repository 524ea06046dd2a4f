"""What must always hold, checked on every run: the ledger, energy, money (DESIGN: what must always hold)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from agents.fleet import FleetStep, HouseholdFleet
from markets.bids import Bids
from markets.ledger import BOOK_TOLERANCE_MW, Ledger
from markets.settlement import Payment, balances

MONEY_TOLERANCE_EUR = 1e-6
POWER_TOLERANCE_KW = 1e-6


class AuditError(RuntimeError):
    """An invariant was broken: which, and in which ISP."""


def audit_ledger(isp: int, ledger: Ledger, books: Mapping[str, Bids]) -> None:
    """Awards over all layers never exceed what was offered, and are never negative."""
    for system, bids in books.items():
        total = np.zeros(len(bids))
        for layer, systems in ledger.layers.items():
            award = systems.get(system)
            if award is None:
                continue
            if (award < -BOOK_TOLERANCE_MW).any():
                raise AuditError(f"ISP {isp}: layer {layer} awarded a negative quantity in {system}")
            total += award
        over = total - bids.quantity_mw
        if (over > BOOK_TOLERANCE_MW).any():
            k = int(np.argmax(over))
            raise AuditError(
                f"ISP {isp}: bid {bids.bid_id[k]} sold {total[k]} MW of {bids.quantity_mw[k]} MW offered"
            )


def audit_energy(isp: int, step: FleetStep, fleet: HouseholdFleet) -> None:
    """Devices conserve energy and stay in their bounds; meters see baseline plus what was delivered."""
    problems = fleet.checks()
    if problems:
        raise AuditError(f"ISP {isp}: {'; '.join(problems)}")
    moved = float(step.site_p_kw.sum() - step.site_base_kw.sum())
    delivered = float(step.up_kw.sum() - step.down_kw.sum())
    if abs(moved - delivered) > POWER_TOLERANCE_KW * max(1.0, float(np.abs(step.site_p_kw).sum())):
        raise AuditError(f"ISP {isp}: meters moved by {moved} kW, but {delivered} kW was delivered")


def audit_money(
    isp: int, payments: list[Payment], ledger: Ledger, books: Mapping[str, Bids], hours: float
) -> None:
    """Money sums to zero over parties, and buyers paid exactly the awards at their prices."""
    if abs(sum(balances(payments).values())) > MONEY_TOLERANCE_EUR:
        raise AuditError(f"ISP {isp}: money does not sum to zero over parties")
    paid = sum(p.amount_eur for p in payments if p.kind == "activation")
    owed = sum(
        float(books[system].signed_price @ award) * hours
        for systems in ledger.layers.values()
        for system, award in systems.items()
    )
    if abs(paid - owed) > MONEY_TOLERANCE_EUR * max(1.0, abs(owed)):
        raise AuditError(f"ISP {isp}: {paid} EUR was paid for activations worth {owed} EUR")


def audit_balance(isp: int, imbalance_mw: Mapping[str, float], awarded_mw: float, system_mw: float) -> None:
    """The imbalances of all parties add up to what the system is left with: schedules cancel out."""
    total = sum(imbalance_mw.values()) + awarded_mw
    if abs(total - system_mw) > 1e-6 * max(1.0, abs(system_mw)):
        raise AuditError(
            f"ISP {isp}: parties' imbalances add up to {total} MW, the system's is {system_mw} MW"
        )
