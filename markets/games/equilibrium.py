"""Equilibria of small games: best responses until no player gains, or until they cycle.

Players know each other's costs and capacities here, which no strategy in a run does. The result is a
benchmark for what a market permits, not a model of learning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tandem_sim.grids.errors import NoEquilibriumError
from tandem_sim.grids.tolerances import GAME_GAIN_EUR_PER_H
from tandem_sim.grids.types import FloatArray

Profile = tuple[int, ...]
"""The number of the move of each player."""


class Game(Protocol):
    """Players with a finite number of moves each. The first move of a player is to bid its costs."""

    @property
    def moves(self) -> Profile:
        """Number of moves of each player."""
        ...

    def profits(self, played: Profile) -> FloatArray:
        """Profit of each player, (players,) EUR/h."""
        ...


@dataclass(frozen=True)
class Play:
    """How best responses end: in an equilibrium (one profile), or a cycle with one profile per step.

    `gain` is the largest remaining gain by another move, EUR/h: in an equilibrium over all players and moves;
    in a cycle the largest gain of its steps. With more than two players a cycle may depend on the order of
    players.
    """

    profiles: tuple[Profile, ...]
    is_equilibrium: bool
    rounds: int
    gain: float


def best_response(game: Game, player: int, played: Profile) -> tuple[int, float]:
    """The most profitable move of a player against the others' (the first of equals), and its profit."""
    found = [
        float(game.profits((*played[:player], move, *played[player + 1 :]))[player])
        for move in range(game.moves[player])
    ]
    best = int(np.argmax(np.array(found) >= max(found) - GAME_GAIN_EUR_PER_H))
    return best, found[best]


def iterate(
    game: Game, start: Profile, most_rounds: int = 1000, epsilon: float = GAME_GAIN_EUR_PER_H
) -> Play:
    """Let players respond to each other in turn until a round changes nothing or a profile returns.

    A player changes its move only for a gain above `epsilon` EUR/h. Raises `NoEquilibriumError` if neither an
    equilibrium nor a cycle is found within `most_rounds`.
    """
    played = tuple(int(move) for move in start)
    seen: dict[Profile, int] = {}  # profiles with which a round began -> turns before it
    turns: list[tuple[Profile, float]] = []  # profile after every turn, and its gain
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
