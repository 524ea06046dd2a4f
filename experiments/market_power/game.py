"""Results of a game on a case."""

from __future__ import annotations

from typing import Any

import numpy as np

from tandem_sim.grids.errors import NoEquilibriumError
from tandem_sim.grids.tolerances import MARKET_POWER_GAIN_EUR_PER_H
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.games.case_game import CaseGame
from tandem_sim.markets.games.equilibrium import Play, Profile, iterate


def ended(game: CaseGame, most_rounds: int = 40) -> tuple[Play | None, list[Profile]]:
    """End of best responses from truthful bids, and its profiles; None and no profiles if they do not end."""
    try:
        play = iterate(game, game.truth, most_rounds, MARKET_POWER_GAIN_EUR_PER_H)
    except NoEquilibriumError:
        return None, []
    return play, list(play.profiles)


def figures(game: CaseGame) -> dict[str, Any]:
    """A game compared with truthful bids in the same market: profits, payments, costs (EUR/h).

    Of a cycle all figures are means over its profiles. Of a game that does not end there are only the
    truthful figures, the others are None. `penalty` is the penalty of the auctions for broken limits;
    `markup` is the mean mark-up of the players (EUR/MWh, before price caps and strike prices); `gain` see
    `Play`.
    """
    play, profiles = ended(game)
    truth, found = game.result(game.truth), [game.result(profile) for profile in profiles]

    def mean(values: list[float]) -> float | None:
        return float(np.mean(values)) if values else None

    asked = [
        float(np.mean([game.choices[p][m].markup_eur_per_mwh for p, m in zip(game.players, q, strict=True)]))
        for q in profiles
    ]
    return {
        "end": "none" if play is None else "equilibrium" if play.is_equilibrium else "cycle",
        "profiles": len(profiles),
        "gain": None if play is None else play.gain,
        "markup": mean(asked),
        "planned_mw": mean([r.planned_mw for r in found]),
        "profit": mean([float(r.profits.sum()) for r in found]),
        "profit_truthful": float(truth.profits.sum()),
        "paid": mean([r.paid_eur_per_h for r in found]),
        "paid_truthful": truth.paid_eur_per_h,
        "paid_by_tso": mean([r.played.paid_eur_per_h.get(TSO, 0.0) for r in found]),
        "paid_by_tso_truthful": truth.played.paid_eur_per_h.get(TSO, 0.0),
        "unpaid": mean([r.unpaid_eur_per_h for r in found]),
        "cost": mean([r.played.cost_eur_per_h - float(r.planned_eur_per_h.sum()) for r in found]),
        "cost_truthful": truth.played.cost_eur_per_h,
        "penalty": mean([r.played.penalty_eur_per_h for r in found]),
        "penalty_truthful": truth.played.penalty_eur_per_h,
        "unserved_mw": mean([r.played.unserved_mw for r in found]),
    }
