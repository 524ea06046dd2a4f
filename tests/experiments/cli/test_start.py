"""Help, completion and typing errors answer at once: no command imports a library before it needs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tandem_sim
from tandem_sim.agents.choices import ABOUT_STRATEGIES
from tandem_sim.agents.strategies.registry import STRATEGIES
from tandem_sim.experiments.cli.app import COMMANDS
from tandem_sim.experiments.runs.bundled import CASES, SCENARIOS, SWEEPS, case_path, sweep_path
from tandem_sim.experiments.runs.fields import FILE, field_lines
from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.experiments.sweeps.sweep import read_sweep

HEAVY = {
    "highspy",
    "lightsim2grid",
    "matplotlib",
    "mesa",
    "numba",
    "numpy",
    "pandapower",
    "pandas",
    "pyarrow",
    "scipy",
    "simbench",
    "simpy",
    "yaml",
}
"""Libraries that take longer to import than help may take to be printed."""
LISTINGS = ("cases", "strategies", "sweeps")


def imported(code: str, **environment: str) -> tuple[set[str], str]:
    """Packages that a fresh interpreter has imported after `code`, and what it printed."""
    told = (
        "import sys, json, atexit\n"
        "atexit.register(lambda: print('\\n' + json.dumps(sorted({m.split('.')[0] for m in sys.modules}))))\n"
        + code
    )
    done = subprocess.run(
        [sys.executable, "-c", told],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    *shown, packages = done.stdout.rstrip().splitlines()
    return set(json.loads(packages)), "\n".join(shown) + done.stderr


def typed(*arguments: str) -> str:
    return f"sys.argv = {['tandem', *arguments]!r}\nfrom tandem_sim.experiments.cli import main\nmain()"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--help",), "Simulate how TSO, DSOs and aggregators"),
        (("--version",), "tandem-sim 0."),
        (("run", "--help"), "multilevel-03"),
        (("rnu",), "Did you mean 'run'?"),
        (("run", "reference", "--sheme", "common"), "--scheme"),
        *(((listing,), "") for listing in LISTINGS),
        (("scenarios", "reference"), "households: 10000"),
    ],
)
def test_what_needs_no_library_imports_none(arguments: tuple[str, ...], expected: str) -> None:
    packages, shown = imported(typed(*arguments), COLUMNS="200")
    assert expected in shown
    assert packages & HEAVY == set()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("tandem ru", {"run"}),
        ("tandem run ref", {"reference"}),
        ("tandem run reference --scheme multilevel-02", {"multilevel-02", "multilevel-02-post"}),
        ("tandem run reference --set non_firm.wh", {"non_firm.who="}),
        ("tandem run reference --set dso.offset=", {"dso.offset=ac", "dso.offset=linear"}),
        ("tandem clear alexander-", set(CASES)),
        ("tandem clear alexander-a --pricing loc", {"locational"}),
        ("tandem sweep sch", {"schemes-by-seed"}),
    ],
)
def test_the_shell_completes_names_and_fields(words: str, expected: set[str]) -> None:
    position = str(len(words.split()) - 1)
    code = "sys.argv = ['tandem']\nfrom tandem_sim.experiments.cli import main\nmain()"
    packages, shown = imported(code, _TANDEM_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=position)
    assert set(shown.split()) == expected
    assert packages & HEAVY == set()


def test_the_package_is_imported_without_what_it_offers() -> None:
    packages, _ = imported("import tandem_sim as tandem\ndir(tandem)\ntandem.__version__, tandem.InputError")
    assert packages & HEAVY == set()
    packages, _ = imported("import numpy")
    assert packages & HEAVY == {"numpy"}  # the check can fail


def test_every_public_name_is_there_and_says_what_it_is() -> None:
    for name in tandem_sim.__all__:
        assert getattr(tandem_sim, name).__doc__, name
        assert name in dir(tandem_sim)
        assert f"`{name}`" in (tandem_sim.__doc__ or ""), name
    with pytest.raises(AttributeError, match="no attribute 'rnu'"):
        tandem_sim.rnu  # noqa: B018


def test_names_that_help_knows_are_those_of_the_code() -> None:
    assert list(ABOUT_STRATEGIES) == list(STRATEGIES)
    assert FILE.read_text(encoding="utf-8").splitlines() == list(field_lines()), (
        "the schema has changed: python -m tandem_sim.experiments.runs.fields"
    )


def test_every_field_path_can_be_set() -> None:
    """Paths that completion offers are those that ``--set`` takes: set to what they are, nothing changes."""
    scenario, _ = read_scenario("reference")
    keys = scenario.model_dump(mode="json", by_alias=True)
    same: dict[str, Any] = {}
    for line in field_lines():
        path = line.split()[0]
        section, *rest = path.split(".")
        value = keys[section]
        for key in rest:
            value = value[key]
        same[path] = value
    assert len(same) > 150
    assert read_scenario("reference", same)[0] == scenario


def test_every_bundled_file_has_a_name_and_every_name_a_file() -> None:
    folder = Path(case_path("alexander-a")).parents[1]
    assert {path.stem for path in (folder / "scenarios").glob("*.yaml")} == set(SCENARIOS)
    assert {path.name for path in (folder / "cases").iterdir()} == set(CASES)
    assert {path.stem for path in (folder / "sweeps").glob("*.yaml")} == set(SWEEPS)
    for name in SWEEPS:
        assert read_sweep(sweep_path(name))


def test_every_command_says_what_it_does() -> None:
    for command in COMMANDS:
        assert command.__doc__, command
