"""The command ``tandem game``: best responses of the sellers of a case in mark-ups, scheme by scheme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from tandem_sim.experiments.environments.case import dealt
from tandem_sim.experiments.market_power.game import figures
from tandem_sim.experiments.results.layout import side_by_side
from tandem_sim.experiments.results.terminal_text import decimals
from tandem_sim.experiments.run_folder.outputs import check_file, is_list_of, write_json
from tandem_sim.experiments.runs.bundled import case_path
from tandem_sim.experiments.runs.logs import terminal
from tandem_sim.grids.documents.text import check_known
from tandem_sim.grids.errors import InputError
from tandem_sim.markets.cases.case import Case, read_case
from tandem_sim.markets.coordination.block import Scheme
from tandem_sim.markets.games.case_game import TRUTH, CaseGame, Move, case_game
from tandem_sim.markets.schemes import build_schemes

MARKUPS = (5.0, 10.0, 20.0, 40.0, 80.0)
"""Mark-ups that sellers may ask, EUR/MWh."""
OFFERED = (1.0,)
"""Shares of its quantity that a seller may offer."""
ROWS = (
    ("markup", "mean mark-up", "EUR/MWh"),
    ("profit", "profit of sellers", "EUR/h"),
    ("paid", "paid by operators", "EUR/h"),
    ("paid_truthful", "  with truthful bids", "EUR/h"),
    ("cost", "true cost of bids called", "EUR/h"),
    ("cost_truthful", "  with truthful bids", "EUR/h"),
    ("penalty", "penalty for broken limits", "EUR/h"),
    ("gain", "largest gain by another move", "EUR/h"),
)
"""Figures that are printed: key, label and unit."""


def play(
    case: str,
    schemes: Sequence[str],
    players: Sequence[str],
    sellers: int | None,
    markups: Sequence[float],
    offered: Sequence[float],
    out: Path | None,
    *,
    quiet: bool,
) -> None:
    """Compute best responses under each scheme, and print how they end."""
    if out is not None:
        check_file(out, "--json", lambda path: is_list_of(path, {"scheme", "profiles"}))
    owned = dealt(read_case(case_path(case)), sellers)
    moves = _moves(markups or MARKUPS, offered or OFFERED)
    found = []
    for each in _schemes(owned, schemes):
        played = _game(owned, each, players, moves)
        found.append({"scheme": each.name, **figures(played)})
    console = terminal(quiet)
    for table in _tables(owned.name, found, console.width):
        console.print(table)
    if out is not None:
        write_json(out, found)


def _schemes(case: Case, names: Sequence[str]) -> list[Scheme]:
    table = build_schemes(case.options.options)
    wanted = list(names) or ([case.options.scheme] if case.options.scheme else ["multilevel-03", "common"])
    check_known("--scheme", wanted, list(table))
    return [table[name] for name in wanted]


def _moves(markups: Sequence[float], offered: Sequence[float]) -> tuple[Move, ...]:
    for value in markups:
        if not 0.0 < value < 1e6:
            raise InputError("--markup", f"{value:g}", "is no mark-up", "Give EUR/MWh above 0")
    for share in offered:
        if not 0.0 <= share <= 1.0:
            raise InputError("--offered", f"{share:g}", "is no share", "Give a number from 0 to 1")
    shares = sorted({1.0, *offered}, reverse=True)
    return (
        TRUTH,
        *(Move(m, s) for s in shares for m in (0.0, *sorted(set(markups))) if (m, s) != (0.0, 1.0)),
    )


def _game(case: Case, scheme: Scheme, players: Sequence[str], moves: Sequence[Move]) -> CaseGame:
    known = {name for area in case.areas.values() for name in area.bids.provider.tolist()}
    known |= set(case.tso_bids.provider.tolist())
    for name in players:
        if players.count(name) > 1:
            raise InputError("--player", name, "is named twice", "Name every player once")
        if name not in known:
            raise InputError(
                "--player", name, "sells nothing in this case", f"Use {', '.join(sorted(known))}"
            )
    return case_game(case, scheme, list(players) or sorted(known), moves)


def _tables(case: str, found: Sequence[Mapping[str, Any]], width: int) -> list[Table]:
    labels = [
        ("best responses end in", ""),
        ("profiles of it", "count"),
        *((text, unit) for _, text, unit in ROWS),
    ]
    columns = {
        row["scheme"]: [
            row["end"],
            str(row["profiles"]),
            *("-" if row[key] is None else decimals(row[key], 3) for key, _, _ in ROWS),
        ]
        for row in found
    }
    return side_by_side(f"case {case}: best responses, from truthful bids on", labels, columns, width)
