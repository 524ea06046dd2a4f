"""``tandem clear``, ``game`` and ``envelope``: commands on one case or one low-voltage net."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tandem_sim.experiments.cli.choices import (
    complete_kind,
    complete_method,
    complete_offset,
    complete_points,
    complete_pricing,
    complete_rule,
    complete_scheme,
    one_of,
)
from tandem_sim.experiments.cli.options import AllowCode, CaseName, Quiet, Schemes, Verbose
from tandem_sim.experiments.runs.logs import log_to_terminal, terminal
from tandem_sim.grids.choices import OFFSETS, POINTS, RULES
from tandem_sim.markets.choices import ABOUT, KINDS, METHODS, PRICINGS


def clear(
    case: CaseName,
    scheme: Annotated[
        str | None,
        typer.Option(
            help=f"A coordination scheme ({one_of([*ABOUT, 'module:SCHEME'])}), or all. [default: all]",
            autocompletion=complete_scheme,
        ),
    ] = None,
    grid_prequalification: Annotated[
        str | None,
        typer.Option(
            help=f"Grid prequalification of bids: {one_of(METHODS)}; envelope takes cheap bids first.",
            autocompletion=complete_method,
        ),
    ] = None,
    aggregation: Annotated[
        str | None,
        typer.Option(
            help=f"Points of the supply functions: {one_of(KINDS)}; discrete: one per --aggregation-step-mw.",
            autocompletion=complete_kind,
        ),
    ] = None,
    aggregation_step_mw: Annotated[
        float | None, typer.Option(help="Step of discrete aggregation, MW.")
    ] = None,
    pricing: Annotated[
        str | None,
        typer.Option(help=f"Pricing rule: {one_of(PRICINGS)}.", autocompletion=complete_pricing),
    ] = None,
    boundary_tolerance_mw: Annotated[
        float | None, typer.Option(help="Band around the scheduled flow of shared-balancing, MW.")
    ] = None,
    offset: Annotated[
        str | None,
        typer.Option(
            help=f"Base state of the linear model: {one_of(OFFSETS)}; ac: by AC power flow.",
            autocompletion=complete_offset,
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the results to this JSON file.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Draw the results into this PNG file.")] = None,
    allow_code: AllowCode = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Clear one market instance under one or all schemes.

    Options that are not given are those of the case, or else the defaults.
    """
    from tandem_sim.experiments.commands.clear import clear_and_show

    log_to_terminal(verbose)
    given = {
        "grid_prequalification": grid_prequalification,
        "aggregation": aggregation,
        "aggregation_step_mw": aggregation_step_mw,
        "pricing": pricing,
        "boundary_tolerance_mw": boundary_tolerance_mw,
        "offset": offset,
    }
    clear_and_show(case, scheme, given, out, figure, allow_code=allow_code or (), quiet=quiet)


def game(
    case: CaseName,
    scheme: Schemes = None,
    player: Annotated[
        list[str] | None,
        typer.Option(help="Strategic seller; may be repeated. [default: all]", metavar="SELLER"),
    ] = None,
    sellers: Annotated[
        int | None, typer.Option(help="Distribute all bids among this number of sellers.")
    ] = None,
    markup: Annotated[
        list[float] | None,
        typer.Option(
            help="Mark-up that a seller may ask, EUR/MWh, besides 0; may be repeated. [default: 5 to 80]",
            metavar="MARKUP",
        ),
    ] = None,
    offered: Annotated[
        list[float] | None,
        typer.Option(
            help="Share of its quantity that a seller may offer (0 to 1), besides 1; may be repeated.",
            metavar="SHARE",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--json", help="Write the results to this JSON file.")] = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Compute best responses of a case's sellers in mark-ups.

    Sellers respond in turn until none gains (equilibrium) or the moves repeat (cycle). An equilibrium is
    verified by trying every other move of every seller. Without --scheme the scheme of the case is used, or
    multilevel-03 and common.
    """
    from tandem_sim.experiments.commands.game import play

    log_to_terminal(verbose)
    play(case, scheme or [], player or [], sellers, markup or [], offered or [], out, quiet=quiet)


def envelope(
    net: Annotated[str, typer.Argument(help="Low-voltage net: pandapower name, SimBench code or .json.")],
    rule: Annotated[
        str, typer.Option(help=f"How capacity is shared: {one_of(RULES)}.", autocompletion=complete_rule)
    ] = "optimal",
    points: Annotated[
        str,
        typer.Option(
            help=f"{one_of(POINTS)}: safe for any choice of users, or if all import or all export.",
            autocompletion=complete_points,
        ),
    ] = "any",
    participation: Annotated[float, typer.Option(help="Share of users under contract (0 to 1).")] = 1.0,
    connection_kw: Annotated[float, typer.Option(help="Connection capacity of a user, kW.")] = 9.2,
    vmin: Annotated[float, typer.Option(help="Lowest voltage at users, p.u.")] = 0.9,
    vmax: Annotated[float, typer.Option(help="Highest voltage at users, p.u.")] = 1.1,
    loading: Annotated[float, typer.Option(help="Largest share of rated current.")] = 1.0,
    source_vm: Annotated[float | None, typer.Option(help="Voltage of the source, p.u.")] = None,
    seed: Annotated[int, typer.Option(help="Seed for the participants and the points checked.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Write one line per user to this CSV file.")] = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Compute guaranteed capacities of the users of an LV net.

    Users under a non-firm contract can always import and export up to their guaranteed capacity.
    """
    from tandem_sim.experiments.commands.envelope import EnvelopeRequest, check_csv, show, work_out, write_csv
    from tandem_sim.grids.low_voltage.limits import Band

    log_to_terminal(verbose)
    request = EnvelopeRequest(
        net=net,
        rule=rule,
        points=points,
        participation=participation,
        connection_kw=connection_kw,
        band=Band(vmin, vmax, loading),
        source_pu=source_vm,
        seed=seed,
    )
    if out is not None:
        check_csv(out)
    answer = work_out(request)
    if out is not None:
        write_csv(answer, out)
    show(request, answer, terminal(quiet))
