"""The command line: ``tandem run | sweep | power | game | clear | envelope | schemes | scenarios | ...``."""

from __future__ import annotations

import json
import math
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from tandem_sim.agents.strategies import StrategyError
from tandem_sim.experiments.envelope_command import Request, show, work_out, write_csv
from tandem_sim.experiments.game_command import game
from tandem_sim.experiments.plot_clearing import plot_clearing
from tandem_sim.experiments.power_command import power
from tandem_sim.experiments.run_command import run
from tandem_sim.experiments.scenario import SCENARIOS, faults_named, read_scenario, source_of
from tandem_sim.experiments.sweep_command import sweep
from tandem_sim.experiments.tables import allocation_table, clearing_table, scheme_table
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.feeder_limits import Band
from tandem_sim.grids.picture import OFFSETS
from tandem_sim.markets.blocks import RoundsError, Scheme
from tandem_sim.markets.case import Case, read_case
from tandem_sim.markets.outcome import Outcome, allocate, clear_case
from tandem_sim.markets.programme import ClearingError
from tandem_sim.markets.schemes import CHOICES, SCHEMES, build_schemes
from tandem_sim.sim.build import build_world

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Simulate how TSO, DSOs and aggregators buy and activate flexibility on one grid.",
)
WIDE = 120
app.command()(run)
app.command()(sweep)
app.command()(power)
app.command()(game)
console = Console(width=None if sys.stdout.isatty() else WIDE)  # a file or pipe has no width of its own


@app.command()
def clear(
    case: Annotated[Path, typer.Argument(help="case.json, or the folder that holds it.")],
    scheme: Annotated[str | None, typer.Option(help="A scheme, or all. [default: all]")] = None,
    method: Annotated[
        str | None,
        typer.Option(help="Prequalification: envelope (price-based), uniform, disqualify or static."),
    ] = None,
    aggregation: Annotated[
        str | None, typer.Option(help="Points of the supply functions: discrete (every --step) or exact.")
    ] = None,
    step: Annotated[float | None, typer.Option(help="Step of discrete aggregation, MW.")] = None,
    pricing: Annotated[
        str | None, typer.Option(help="What awards are paid: pay-as-bid, pay-as-cleared or locational.")
    ] = None,
    tolerance: Annotated[
        float | None, typer.Option(help="Band around the scheduled flow of shared-balancing, MW.")
    ] = None,
    offset: Annotated[
        str | None, typer.Option(help="Base state by the linear model (linear) or by AC power flow (ac).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the results as JSON.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Draw the table as a PNG.")] = None,
) -> None:
    """Clear one market instance under one or all schemes. What is not given, the case may say."""
    given = {
        "method": method,
        "aggregation": aggregation,
        "step_mw": step,
        "pricing": pricing,
        "tolerance_mw": tolerance,
    }
    fixed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    _check_options({**fixed, "offset": offset or "linear"})
    if scheme not in (None, "all", *SCHEMES):
        raise InputError(
            "--scheme", str(scheme), "is no coordination scheme", f"Use all or one of {', '.join(SCHEMES)}"
        )
    for path, flag in ((out, "--out"), (figure, "--figure")):
        if path is not None:
            _check_writable(path, flag)
    instance = read_case(case, next((known for known in OFFSETS if known == offset), None))
    schemes = build_schemes(replace(instance.options.options, **fixed))
    scheme = scheme or instance.options.scheme or "all"
    wanted = list(schemes) if scheme == "all" else [scheme]
    found = {name: _try(instance, schemes[name]) for name in dict.fromkeys(["common", *wanted])}
    common = found["common"]
    reference = common.cost_eur_per_h if isinstance(common, Outcome) else None
    outcomes = [o for name, o in found.items() if name in wanted and isinstance(o, Outcome)]
    outcomes.sort(key=lambda o: wanted.index(o.scheme))
    failed = {name: str(o) for name, o in found.items() if name in wanted and not isinstance(o, Outcome)}
    entries = [outcome.as_dict(reference) for outcome in outcomes]
    if out is not None:
        _write(out, entries + [{"scheme": name, "error": problem} for name, problem in failed.items()])
    if figure is not None and outcomes:
        plot_clearing(instance.name, [e for e in entries if "error" not in e], figure)
    console.print(clearing_table(instance.name, entries))
    for entry in entries:
        if "allocation_eur_per_h" in entry:
            console.print(allocation_table(entry))
    for name, problem in failed.items():
        print(f"tandem: {case}: {name}: {problem}", file=sys.stderr)
    if failed:
        raise SystemExit(1)


def _try(instance: Case, scheme: Scheme) -> Outcome | ClearingError | RoundsError:
    """The outcome of a scheme, or the reason why its markets have no solution."""
    try:
        outcome = clear_case(instance, scheme)
        return replace(outcome, allocation=allocate(instance, scheme))
    except (ClearingError, RoundsError) as error:
        return error


def _check_writable(path: Path, flag: str) -> None:
    """Refuse an output file that could not be written, before anything is worked out."""
    mend = (
        "Name a PNG file in a folder you may write to"
        if flag == "--figure"
        else "Choose a file you may write to"
    )
    problem = "is no PNG file" if flag == "--figure" and path.suffix.lower() != ".png" else ""
    try:
        if path.is_dir():
            problem = "is a folder"
        with tempfile.TemporaryFile(dir=path.parent):
            pass  # the folder takes files
        if path.exists():
            with path.open("a"):
                pass
    except OSError as error:
        problem = str(error.strerror)
    if problem:
        raise InputError(str(path), flag, f"cannot be written ({problem})", mend)


def _check_options(given: dict[str, Any]) -> None:
    """Refuse an option of `clear` that nobody knows or that is out of range."""
    flags = {"step_mw": "--step", "tolerance_mw": "--tolerance"}
    for name, value in given.items():
        flag = flags.get(name, f"--{name}")
        known = OFFSETS if name == "offset" else CHOICES.get(name)
        if known is not None and value not in known:
            raise InputError(flag, str(value), "is not known", f"Use one of {', '.join(known)}")
        if name == "step_mw" and not 0.001 <= value < math.inf:
            raise InputError(flag, str(value), "is no step", "Give a positive number of MW, at least 0.001")
        if name == "tolerance_mw" and not 0 <= value < math.inf:
            raise InputError(flag, str(value), "is no band", "Give a number of MW, zero or more")


def _write(out: Path, entries: list[dict[str, Any]]) -> None:
    try:
        out.write_text(json.dumps(entries, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(
            str(out), "--out", f"cannot be written ({error.strerror})", "Choose a file you may write to"
        ) from error


@app.command()
def envelope(
    net: Annotated[str, typer.Argument(help="Low-voltage net: pandapower name, SimBench code or .json.")],
    rule: Annotated[str, typer.Option(help="optimal, fair or weighted.")] = "optimal",
    points: Annotated[str, typer.Option(help="Safe for any choice of users, or one-way only.")] = "any",
    participation: Annotated[float, typer.Option(help="Share of users under contract (0 to 1).")] = 1.0,
    connection_kw: Annotated[float, typer.Option(help="Connection capacity of a user, kW.")] = 9.2,
    vmin: Annotated[float, typer.Option(help="Lowest voltage at users, p.u.")] = 0.9,
    vmax: Annotated[float, typer.Option(help="Highest voltage at users, p.u.")] = 1.1,
    loading: Annotated[float, typer.Option(help="Largest share of rated current.")] = 1.0,
    source_vm: Annotated[float | None, typer.Option(help="Voltage of the source, p.u.")] = None,
    seed: Annotated[int, typer.Option(help="Who takes part first, and points of the check.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Write one line per user to this CSV.")] = None,
) -> None:
    """Guaranteed capacities of a low-voltage net: what its non-firm connections can always have."""
    request = Request(
        net, rule, points, participation, connection_kw, Band(vmin, vmax, loading), source_vm, seed
    )
    answer = work_out(request)
    if out is not None:
        write_csv(answer, out)
    show(request, answer, console)


@app.command()
def schemes() -> None:
    """List the coordination schemes, their steps and what each shares."""
    console.print(scheme_table(SCHEMES))


@app.command()
def scenarios() -> None:
    """List the bundled scenarios."""
    for name in SCENARIOS:
        console.print(f"{name}: {read_scenario(name)[0].description}")


@app.command()
def validate(
    file: Annotated[
        str, typer.Argument(help="A scenario (bundled name or YAML) or a case (JSON or folder).")
    ],
) -> None:
    """Check a scenario or a case by building all that a run would, without running it."""
    path = Path(file)
    if path.suffix == ".json" or path.is_dir():
        instance = read_case(path)
        bids = len(instance.tso_bids) + sum(len(a.bids) for a in instance.areas.values())
        console.print(
            f"{file}: a case with {len(instance.areas)} distribution grids and {bids} bids. No problem found."
        )
        return
    settings, folder = read_scenario(file)
    with faults_named(source_of(file)), tempfile.TemporaryDirectory() as unused:
        world, _ = build_world(settings, folder, Path(unused), lambda isp: None, list)
    buses = sum(len(area.network.bus_index) for area in world.areas)
    console.print(
        f"{file}: a scenario of {world.calendar.n_isp} ISPs, {settings.households} households "
        f"on {buses} distribution buses. No problem found."
    )


def main() -> None:
    """Entry point: bad input ends in one message and exit code 2."""
    try:
        app()
    except KeyboardInterrupt:
        print("tandem: interrupted; what a run had safe is kept for --resume", file=sys.stderr)
        raise SystemExit(130) from None
    except (InputError, StrategyError) as error:
        message = " ".join(str(error).splitlines())  # one line, though a file or a key may be named over two
        print(f"tandem: {message}", file=sys.stderr)  # plain, so that scripts can read it
        raise SystemExit(2) from None
