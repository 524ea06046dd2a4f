"""What ``tandem game`` does: what a case lets its sellers get away with, scheme by scheme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from tandem_sim.experiments.environments.case import dealt
from tandem_sim.experiments.market_power.game import figures
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
OFFERED = (1.0,)
COLUMNS = (
    "scheme",
    "ends in",
    "profiles",
    "mark-up",
    "profit",
    "paid",
    "if truthful",
    "true cost",
    "if truthful",
    "penalty",
    "gain left",
)


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
    """Play a case under each scheme, and show what it ends in."""
    if out is not None:
        check_file(out, "--json", lambda path: is_list_of(path, {"scheme", "profiles"}))
    owned = dealt(read_case(case_path(case)), sellers)
    moves = _moves(markups or MARKUPS, offered or OFFERED)
    found = []
    for each in _schemes(owned, schemes):
        played = _game(owned, each, players, moves)
        found.append({"scheme": each.name, **figures(played)})
    terminal(quiet).print(_table(owned.name, found))
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


def _table(case: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title=escape(f"case {case}: best responses from the truth"), box=SIMPLE_HEAD)
    for k, column in enumerate(COLUMNS):
        table.add_column(column, justify="left" if k < 2 else "right", no_wrap=True)
    keys = ("markup", "profit", "paid", "paid_truthful", "cost", "cost_truthful", "penalty", "gain")
    for row in rows:
        table.add_row(
            row["scheme"],
            row["end"],
            str(row["profiles"]),
            *("-" if row[key] is None else f"{row[key]:.3f}" for key in keys),
        )
    return table
