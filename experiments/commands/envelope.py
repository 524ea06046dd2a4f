"""The command ``tandem envelope``: guaranteed capacities of a low-voltage net, and the binding limits."""

from __future__ import annotations

import csv
import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tandem_sim.experiments.results.terminal_text import decimals
from tandem_sim.experiments.run_folder.outputs import check_file, whole
from tandem_sim.grids.choices import POINTS, RULES, Points, Rule
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.io.read import load_net
from tandem_sim.grids.low_voltage.limits import Band, worst_excess_pu
from tandem_sim.grids.low_voltage.operating_envelope import Envelope, guaranteed, random_points
from tandem_sim.grids.low_voltage.read_feeder import read_feeder
from tandem_sim.grids.low_voltage.three_phase import Feeder
from tandem_sim.grids.types import BoolArray, FloatArray

COLUMNS = (
    "user",
    "bus",
    "phases",
    "connection_kw",
    "guaranteed_import_kw",
    "guaranteed_export_kw",
    "binding",
)
CHECKED = 3000
"""Points of the envelope, besides its corners, that the three-phase power flow checks."""


@dataclass(frozen=True, kw_only=True)
class EnvelopeRequest:
    """Options of the computation. Shares 0 to 1, voltages p.u.; `source_pu` None: that of the net."""

    net: str
    rule: str = "optimal"
    points: str = "any"
    participation: float = 1.0
    connection_kw: float = 9.2
    band: Band = field(default_factory=Band)
    source_pu: float | None = None
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class EnvelopeResult:
    """An envelope, its feeder, and the worst violation that the power flow found (p.u. above a limit)."""

    feeder: Feeder
    connection_kw: FloatArray
    firm: BoolArray
    envelope: Envelope
    worst_pu: float
    seconds: float


def work_out(request: EnvelopeRequest) -> EnvelopeResult:
    """Guaranteed capacities of a net. Raises `InputError`."""
    rule, points = _checked(request)
    start = time.perf_counter()
    feeder = read_feeder(load_net(request.net), request.net, request.source_pu)
    users = len(feeder.users)
    connection = np.full(users, request.connection_kw)
    rng = np.random.default_rng(request.seed)
    first = rng.permutation(users)[: round(request.participation * users)]
    firm = np.ones(users, dtype=bool)
    firm[first] = False
    envelope = guaranteed(feeder, connection, request.band, rule, firm, points)
    at_limits = np.array([envelope.import_kw, -envelope.export_kw])
    tried = np.vstack([at_limits, random_points(envelope, CHECKED, rng, points)])
    worst = float(np.max(worst_excess_pu(feeder, request.band, tried)))
    return EnvelopeResult(
        feeder=feeder,
        connection_kw=connection,
        firm=firm,
        envelope=envelope,
        worst_pu=worst,
        seconds=time.perf_counter() - start,
    )


def _checked(request: EnvelopeRequest) -> tuple[Rule, Points]:
    rule: Rule | None = next((r for r in RULES if r == request.rule), None)
    points: Points | None = next((p for p in POINTS if p == request.points), None)
    if rule is None:
        raise InputError("--rule", request.rule, "is not known", f"Use one of {', '.join(RULES)}")
    if points is None:
        raise InputError("--points", request.points, "is not known", f"Use one of {', '.join(POINTS)}")
    if not 0.0 <= request.participation <= 1.0:
        raise InputError("--participation", str(request.participation), "is no share", "Give 0 to 1")
    if not 0.0 < request.connection_kw < math.inf:
        raise InputError("--connection-kw", str(request.connection_kw), "is no power", "Give kW above zero")
    band = request.band
    if not 0.0 < band.low_pu < band.high_pu < 2.0:
        raise InputError("--vmin", str(band.low_pu), "leaves no band below --vmax", "Give, say, 0.9 and 1.1")
    if not 0.0 < band.loading < 10.0:
        raise InputError("--loading", str(band.loading), "is no loading", "Give a share of rated current")
    if request.source_pu is not None and not 0.5 < request.source_pu < 1.5:
        raise InputError("--source-vm", str(request.source_pu), "is no voltage", "Give p.u., such as 1.0")
    if request.seed < 0:
        raise InputError("--seed", str(request.seed), "is negative", "Give zero or more")
    return rule, points


def check_csv(out: Path) -> None:
    """Raise an `InputError` for a file that cannot be written, or that is no earlier result."""
    check_file(out, "--out", _is_ours)


def _is_ours(path: Path) -> bool:
    first = ",".join(COLUMNS).encode()
    with path.open("rb") as file:
        return file.read(len(first)) == first


def write_csv(answer: EnvelopeResult, out: Path) -> None:
    """One line per user."""
    with whole(out) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(_rows(answer))


def _rows(answer: EnvelopeResult) -> list[list[str]]:
    e = answer.envelope
    return [
        [
            user.name,
            str(user.bus),
            user.phases,
            decimals(answer.connection_kw[k], 3),
            decimals(e.import_kw[k], 3),
            decimals(e.export_kw[k], 3),
            e.binding[k],
        ]
        for k, user in enumerate(answer.feeder.users)
    ]


def show(request: EnvelopeRequest, answer: EnvelopeResult, console: Console) -> None:
    """Print the table of users, sums, and the check."""
    e, band = answer.envelope, request.band
    source = np.abs(answer.feeder.source).mean()
    table = Table(
        title=escape(
            f"{request.net}: {request.rule} envelope, {band.low_pu:g} to {band.high_pu:g} p.u. at users, "
            f"loading up to {100 * band.loading:g} %, {source:.3f} p.u. without load"
        ),
        box=SIMPLE_HEAD,
    )
    names = ("user", "bus", "phases", "connection\nkW", "import\nkW", "export\nkW", "binding limits")
    for k, column in enumerate(names):
        table.add_column(column, justify="right" if 2 < k < 6 else "left", no_wrap=0 < k < 6)
    for row in _rows(answer):
        table.add_row(*(escape(cell) for cell in row))
    console.print(table)
    mine = ~answer.firm
    for name, kw in (("import", e.import_kw), ("export", e.export_kw)):
        part = kw[mine] if mine.any() else np.zeros(1)
        console.print(
            f"{name}: {kw.sum():.1f} kW of {answer.connection_kw.sum():.1f} kW; under contract "
            f"{part.min():.2f} to {part.max():.2f} kW, {part.sum():.1f} kW in all"
        )
    console.print(
        f"{int(mine.sum())} of {len(mine)} users under contract; {answer.seconds:.1f} s, {e.rounds} rounds"
        + (f", shrunk by {100 * (1 - e.shrunk):.2f} % in the last check" if e.shrunk < 1.0 else "")
    )
    held = answer.feeder.held_kva
    if held:
        console.print(
            f"Fixed power of the net besides its users: {held.real:.1f} kW, {held.imag:.1f} kvar "
            "(static generators, storages, motors, wards). The guarantee holds at this power only"
        )
    for words in answer.feeder.left_out:
        console.print(f"Left out: {escape(words)}")
    if e.relaxed:
        console.print(
            f"Limits that firm users alone break, relaxed to their state: {escape(', '.join(e.relaxed[:5]))}"
        )
    found = "no limit broken" if answer.worst_pu <= 1e-6 else f"worst violation {answer.worst_pu:.2e} p.u."
    if e.relaxed and answer.worst_pu > 1e-6:
        found += " (limits that firm users break)"
    console.print(f"Three-phase power flow at all limits and at {CHECKED} points inside: {found}")
