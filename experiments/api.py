"""The functions for programs; they are imported from ``tandem_sim``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from tandem_sim.agents.strategies.allowed_code import AllowedCode
from tandem_sim.agents.strategies.registry import STRATEGIES
from tandem_sim.agents.strategies.strategy import Strategy
from tandem_sim.experiments.run_folder.manifest import MANIFEST, read_kpis, read_manifest, scheme_in
from tandem_sim.experiments.run_folder.so_far import is_unfinished
from tandem_sim.experiments.run_folder.tables import read_table
from tandem_sim.experiments.runs.bundled import CASES, SCENARIOS, case_path, source_of
from tandem_sim.experiments.runs.run import DAY_S, manifest_of, run_scenario
from tandem_sim.experiments.runs.scenario import faults_named, scenario_of
from tandem_sim.experiments.runs.scenario import read_scenario as read_file
from tandem_sim.grids.choices import OFFSETS
from tandem_sim.grids.documents.text import check_known, hint, is_there
from tandem_sim.grids.errors import ClearingError, InputError, RoundsError
from tandem_sim.grids.renames import renamed
from tandem_sim.markets.cases.case import Case, read_case
from tandem_sim.markets.cases.clear import Outcome, allocate, clear_case
from tandem_sim.markets.choices import ABOUT, CHOICES
from tandem_sim.markets.coordination.block import Scheme
from tandem_sim.markets.coordination.description import SchemeDescription
from tandem_sim.markets.schemes import DEFAULTS, Options, build_schemes
from tandem_sim.sim.named_schemes import check_scheme_names, scheme_named
from tandem_sim.sim.output.tables import UNNEEDED
from tandem_sim.sim.scenario.scenario import Scenario

Given = str | Path | Scenario | Mapping[str, Any]
"""A scenario: a bundled name, the path of a YAML file, an object, or its keys."""


def scenarios() -> list[str]:
    """Names of the bundled scenarios.

    >>> scenarios()
    ['reference', 'dutch', 'belgian', 'lv-feeder', 'nfca-clash', 'germany']
    """
    return list(SCENARIOS)


def cases() -> list[str]:
    """Names of the bundled cases.

    >>> cases()
    ['alexander-a', 'alexander-b', 'alexander-c', 'alexander-d', 'alexander-v']
    """
    return list(CASES)


def schemes(options: Options = DEFAULTS) -> dict[str, Scheme]:
    """Every coordination scheme by name, built with these options.

    >>> print(schemes()["multilevel-01"].summary)
    local markets first, the remainder goes to a TSO market without distribution limits
    """
    return build_schemes(options)


def strategies() -> dict[str, type[Strategy]]:
    """Every built-in strategy of sellers by name.

    >>> list(strategies())[:3]
    ['truthful', 'fixed-markup', 'withholding']
    """
    return dict(STRATEGIES)


def read_scenario(scenario: Given, changes: Mapping[str, Any] | None = None) -> Scenario:
    """A scenario, checked, with `changes` put over it: values by field path.

    Raises `InputError` that names every field at fault.

    >>> changed = read_scenario("reference", {"days": 2, "dso.offset": "linear"})
    >>> changed.days, changed.dso.offset
    (2, 'linear')
    >>> read_scenario(changed, {"seed": 7}).days
    2
    """
    return _read(scenario, changes)[0]


def _read(
    given: Given, changes: Mapping[str, Any] | None, folder: Path = Path()
) -> tuple[Scenario, Path | None]:
    """A scenario, and the folder its relative paths start from if it is a file; those of keys in `folder`."""
    if isinstance(given, str | Path):
        return read_file(str(given), dict(changes or {}))
    keys = given.model_dump(mode="json", by_alias=True) if isinstance(given, Scenario) else given
    return scenario_of(keys, "scenario", changes, folder), None


def run(
    scenario: Given,
    out: str | Path,
    *,
    scheme: str | None = None,
    seed: int | None = None,
    days: int | None = None,
    changes: Mapping[str, Any] | None = None,
    folder: str | Path | None = None,
    figures: bool = False,
    overwrite: bool = False,
    resume: bool = False,
    checkpoint_days: int = 1,
    allow_code: Iterable[str] = (),
    on_isp: Callable[[int], None] = lambda isp: None,
) -> Run:
    """Simulate a scenario and write its tables and key figures into the folder `out`.

    Parameters
    ----------
    scenario: bundled name, path of a YAML file, `Scenario`, or keys.
    out: folder of the results; it must not exist, unless `overwrite` or `resume` says so.
    scheme, seed, days: replace those of the scenario; a scheme of one's own is named ``module:SCHEME``.
    changes: any other fields, by path: ``{"dso.offset": "linear"}``.
    folder: where relative paths start; the folder of a file, else the current one.
    figures: draw the figures of `tandem run` too: seconds more.
    overwrite: replace the results of an earlier run.
    resume: resume an unfinished run, and keep a finished one.
    checkpoint_days: simulated days from one checkpoint to the next; 0 for none.
    allow_code: modules that code named ``module:Class`` (strategies, schemes, ...) may be imported from, or
        packages that they are in.
    on_isp: called with the number of every ISP that was delivered, from 0.

    Raises `InputError` for what cannot be used, `StrategyError` for a strategy that breaks the rules.

    >>> from tempfile import mkdtemp
    >>> small = {"households": 200, "isp_minutes": 60}
    >>> found = run("reference", mkdtemp() + "/day", days=1, changes=small)
    >>> found.kpis["isps"], len(found["system"]), found.scenario.households
    (24, 24, 200)
    """
    named = {"scheme": scheme, "seed": seed, "days": days}
    fixed = {key: value for key, value in named.items() if value is not None}
    found, beside = _read(scenario, {**(changes or {}), **fixed}, Path(folder or ""))
    source = source_of(str(scenario)) if isinstance(scenario, str | Path) else "scenario"
    with faults_named(source):
        run_scenario(
            found,
            Path(folder) if folder is not None else beside,
            Path(out),
            on_isp,
            overwrite=overwrite,
            resume=resume,
            checkpoint_s=checkpoint_days * DAY_S,
            plots=figures,
            allowed=AllowedCode.of(allow_code),
        )
    return load(out)


def load(folder: str | Path) -> Run:
    """The finished run in a folder. Raises `InputError` where there is none.

    `load_unfinished` reads what an unfinished run has written so far.

    >>> made = run("reference", "loaded", days=1, changes={"households": 200, "isp_minutes": 60})
    >>> load("loaded").scenario.days
    1
    """
    path = Path(folder)
    if not is_there(path / MANIFEST):
        there = is_there(path, Path.is_dir)
        inside = sorted(p.name for p in path.iterdir() if manifest_of(p)) if there else []
        problem = "holds no finished run" if there else "does not exist"
        advice = f"Load one of its runs: {', '.join(inside)}" if inside else "Name the folder of a run"
        if is_unfinished(path):
            problem = "is not finished"
            advice = "Finish it with --resume; tandem_sim.load_unfinished reads what it has written so far"
        raise InputError(str(path), "folder", problem, advice)
    read_manifest(path)
    return Run(path)


@dataclass(frozen=True)
class Run:
    """A finished run: its tables as frames, its key figures, and what made it.

    ``run["grid"]`` reads the table ``grid``; docs/formats.md lists tables and columns with their units.

    >>> made = run("reference", "small", days=1, changes={"households": 200, "isp_minutes": 60})
    >>> made["grid"].groupby("system").size().to_dict()  # a row for each ISP and system
    {'D1': 24, 'D2': 24, 'T': 24}
    >>> made.kpis["isps"], made.manifest["seed"]
    (24, 1)
    """

    folder: Path

    @property
    def tables(self) -> list[str]:
        """Names of its tables."""
        return sorted(path.stem for path in self.folder.glob("*.parquet"))

    def __getitem__(self, table: str) -> pd.DataFrame:
        """A table, read anew at each call.

        Raises KeyError for a table that is not there, `InputError` for a file that is no such table.
        """
        if table not in self.tables:
            new = renamed("table").get(table)
            meant = f"It is called {new} now" if new else hint(table, self.tables)
            if table in UNNEEDED and table in self.scenario.output.leave_out:
                meant = "The run left it out (output.leave_out)"
            raise KeyError(f"{table}: no such table in {self.folder}. {meant}")
        return read_table(self.folder, table)

    @cached_property
    def kpis(self) -> dict[str, Any]:
        """Key figures by name; every name ends in its unit."""
        return read_kpis(self.folder)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What is needed to repeat the run: scenario, seed, versions, digest of the code."""
        return read_manifest(self.folder)

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario that was run."""
        return scenario_of(self.manifest["scenario"], str(self.folder / MANIFEST), finished=True)

    @cached_property
    def scheme(self) -> SchemeDescription:
        """The coordination scheme of the run: its blocks, and what operators shared."""
        source, scenario = str(self.folder / MANIFEST), self.scenario
        return scheme_in(self.manifest, source, scenario.scheme, scenario.scheme_options)


def clear(
    case: str | Path | Case,
    schemes: str | Iterable[str] | None = None,
    *,
    grid_prequalification: str | None = None,
    aggregation: str | None = None,
    aggregation_step_mw: float | None = None,
    pricing: str | None = None,
    boundary_tolerance_mw: float | None = None,
    offset: str | None = None,
    allow_code: Iterable[str] = (),
) -> Clearing:
    """Clear one market instance under one or several schemes.

    Parameters
    ----------
    case: bundled name, folder, ``case.json``, or `Case`.
    schemes: a name or names, also ``module:SCHEME``; without any that of the case, or all built in.
    grid_prequalification: grid prequalification: envelope (by price), uniform, disqualify or static.
    aggregation: points of residual supply functions: discrete (every `aggregation_step_mw`, MW) or exact.
    pricing: pay-as-bid, pay-as-cleared or locational.
    boundary_tolerance_mw: band around the scheduled flow of shared balancing, MW.
    offset: base state of the linear model: linear, or ac for AC power flow.
    allow_code: modules that schemes named ``module:SCHEME`` may be imported from, or packages they are in.

    Options that are not given are those of the case, or else the defaults. Raises `InputError`. A market
    without a solution does not stop the other schemes; its message is in `Clearing.failed`.

    >>> cleared = clear("alexander-b", ["central-01", "common"])
    >>> cleared.table()[["cost_eur_per_h", "congested_lines"]].round(3)
                cost_eur_per_h  congested_lines
    scheme
    central-01         380.739                9
    common             385.230                0
    """
    given = {
        "grid_prequalification": grid_prequalification,
        "aggregation": aggregation,
        "aggregation_step_mw": aggregation_step_mw,
        "pricing": pricing,
        "boundary_tolerance_mw": boundary_tolerance_mw,
    }
    fixed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    check_options({**fixed, "offset": offset or "linear"})
    base = next((known for known in OFFSETS if known == offset), None)
    instance = case if isinstance(case, Case) else read_case(case_path(case), base)
    options, allowed = replace(instance.options.options, **fixed), AllowedCode.of(allow_code)
    names = [schemes] if isinstance(schemes, str) else list(schemes or ())
    check_scheme_names("schemes", names)
    if not names:
        names = [instance.options.scheme] if instance.options.scheme else list(ABOUT)
    wanted = dict.fromkeys(["common", *names])
    table = {name: scheme_named(name, options, allowed, instance.name, "schemes") for name in wanted}
    found = {name: _tried(instance, scheme) for name, scheme in table.items()}
    common = found["common"]
    outcomes = {name: o for name in names if isinstance(o := found[name], Outcome)}
    failed = {name: str(found[name]) for name in names if name not in outcomes}
    reference = common.net_cost_eur_per_h if isinstance(common, Outcome) else None
    return Clearing(instance.name, outcomes, failed, reference)


def check_options(given: Mapping[str, Any], called: Callable[[str], str] = str) -> None:
    """Raise an `InputError` for an invalid option of `clear`; `called` gives its name in messages."""
    for name, value in given.items():
        known = OFFSETS if name == "offset" else CHOICES.get(name)
        if known is not None:
            check_known(called(name), [value], known)
        if name == "aggregation_step_mw" and not 0.001 <= value < math.inf:
            problem = "is no step", "Give a positive number of MW, at least 0.001"
            raise InputError(called(name), str(value), *problem)
        if name == "boundary_tolerance_mw" and not 0 <= value < math.inf:
            raise InputError(called(name), str(value), "is no band", "Give a number of MW, zero or more")


def _tried(case: Case, scheme: Scheme) -> Outcome | ClearingError | RoundsError:
    """The outcome of a scheme, or the reason why its markets have no solution."""
    try:
        outcome = clear_case(case, scheme)
        return replace(outcome, allocation=allocate(case, scheme))
    except (ClearingError, RoundsError) as error:
        return error


@dataclass(frozen=True)
class Clearing:
    """The outcome of a case by scheme, and for schemes without a solution the message in `failed`.

    >>> cleared = clear("alexander-b", ["central-01", "common"])
    >>> cleared["common"].linear.lines, round(cleared.common_cost_eur_per_h, 2)
    (0, 385.23)
    """

    case: str
    outcomes: dict[str, Outcome]
    failed: dict[str, str]
    common_cost_eur_per_h: float | None  # reference of the inefficiency; None without a solution

    def __getitem__(self, scheme: str) -> Outcome:
        """The outcome of a scheme. Raises KeyError for one that was not requested or failed."""
        return self.outcomes[scheme]

    def entries(self) -> list[dict[str, Any]]:
        """A dictionary a scheme, as `tandem clear --out` writes them."""
        return [outcome.as_dict(self.common_cost_eur_per_h) for outcome in self.outcomes.values()]

    def table(self) -> pd.DataFrame:
        """A row for each scheme, a column for each single figure."""
        rows = [
            {key: value for key, value in entry.items() if not isinstance(value, dict | list)}
            for entry in self.entries()
        ]
        return pd.DataFrame(rows).set_index("scheme")
