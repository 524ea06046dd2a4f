"""Equilibria of small games: best responses until nobody gains, or in circles.

Players know each other's costs and capacities here, which no strategy in a run does: this is a yardstick for
what a market admits, not a model of learning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tandem_sim.grids.errors import NoEquilibriumError
from tandem_sim.grids.tolerances import GAME_GAIN_EUR_PER_H
from tandem_sim.grids.types import FloatArray

Profile = tuple[int, ...]
"""The number of the move that each player makes."""


class Game(Protocol):
    """Players with a finite number of moves each. The first move of a player is the truth."""

    @property
    def moves(self) -> Profile:
        """How many moves each player has."""
        ...

    def profits(self, played: Profile) -> FloatArray:
        """What each player earns, (players,) EUR/h."""
        ...


@dataclass(frozen=True)
class Play:
    """How best responses end: in an equilibrium (one profile), or a cycle, one profile for every turn of it.

    `gain` is what is left to gain by another move, EUR/h: in an equilibrium the most that any player could,
    found by enumeration of all moves; in a cycle the most that a move of it gains. With more than two players
    a cycle may depend on who answers first.
    """

    profiles: tuple[Profile, ...]
    is_equilibrium: bool
    rounds: int
    gain: float


def best_response(game: Game, player: int, played: Profile) -> tuple[int, float]:
    """The move that earns a player most against the others' (the first of equals), and its profit."""
    found = [
        float(game.profits((*played[:player], move, *played[player + 1 :]))[player])
        for move in range(game.moves[player])
    ]
    best = int(np.argmax(np.array(found) >= max(found) - GAME_GAIN_EUR_PER_H))
    return best, found[best]


def iterate(
    game: Game, start: Profile, most_rounds: int = 1000, epsilon: float = GAME_GAIN_EUR_PER_H
) -> Play:
    """Let players answer one another in turn until a round changes nothing or a profile comes back.

    A player moves only if it gains more than `epsilon` EUR/h. Raises `NoEquilibriumError` if neither an
    equilibrium nor a cycle shows within `most_rounds`.
    """
    played = tuple(int(move) for move in start)
    seen: dict[Profile, int] = {}  # profiles with which a round began -> turns before it
    turns: list[tuple[Profile, float]] = []  # behind every turn, and what it gained
    for number in range(most_rounds):
        if played in seen:
            cycle = turns[seen[played] :]
            return Play(tuple(profile for profile, _ in cycle), False, number, max(won for _, won in cycle))
        seen[played] = len(turns)
        before = played
        for player in range(len(played)):
            move, profit = best_response(game, player, played)
            won = profit - float(game.profits(played)[player])
            if won > epsilon:
                played = (*played[:player], move, *played[player + 1 :])
            turns.append((played, max(won, 0.0)))
        if played == before:
            return Play((played,), True, number + 1, float(gains(game, played).max()))
    raise NoEquilibriumError(f"neither equilibrium nor cycle within {most_rounds} rounds")


def gains(game: Game, played: Profile) -> FloatArray:
    """What every player could gain by another move while the others stay, (players,) EUR/h >= 0."""
    now = game.profits(played)
    best = [best_response(game, player, played)[1] for player in range(len(played))]
    return np.maximum(np.array(best) - now, 0.0)
