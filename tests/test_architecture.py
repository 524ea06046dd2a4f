"""The house rules that a parser can see: who may import whom, how long a file grows, what no file may say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("grids", "markets", "agents", "sim", "experiments")  # each may import itself and those before it
HOMES = {
    "simpy": {"sim"},
    "mesa": {"agents", "sim"},
    "pandapower": {"grids"},
    "lightsim2grid": {"grids"},
    "simbench": {"grids"},
    "scipy.optimize": {"markets", "grids"},
    "highspy": {"markets"},
    "matplotlib": {"experiments"},
    "typer": {"experiments"},
    "rich": {"experiments"},
    "gymnasium": {"experiments"},
    "pettingzoo": {"experiments"},
    "stable_baselines3": {"experiments"},
    "torch": {"experiments"},
    "distributed": {"experiments"},
    "filelock": {"experiments"},
}
MAX_FILE_LINES, MAX_FUNCTION_LINES = 330, 70
SOURCES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
COMPANIONS = [
    ROOT / name for name in ("pyproject.toml", "Makefile", "constraints.txt", "CHANGELOG.md", ".ci/run")
]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _imports(tree: ast.Module) -> Iterator[str]:
    """Dotted names a file imports, wherever in the file; ``from a import b`` yields both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import: packages are imported by their names"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def wrong_imports(layer: str, source: str) -> list[str]:
    """Imports of `source` that a file in `layer` must not make."""
    above = set(LAYERS[LAYERS.index(layer) + 1 :])
    wrong = []
    for name in _imports(ast.parse(source)):
        stranger = any(
            (name == lib or name.startswith(f"{lib}.")) and layer not in at for lib, at in HOMES.items()
        )
        if name.split(".")[0] in above or stranger:
            wrong.append(name)
    return wrong


def long_functions(source: str) -> list[str]:
    """Functions longer than the limit, with their length."""
    return [
        f"{node.name} ({length} lines)"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]


BENCHES = {ROOT / "experiments" / f"bench_{part}.py" for part in ("markets", "runs")}
"""They compare Tandem with the bare solver and with bare pandapower, so they must call them."""


@pytest.mark.parametrize("path", [p for p in SOURCES if p not in BENCHES], ids=_name)
def test_imports_run_one_way_and_libraries_stay_at_home(path: Path) -> None:
    assert wrong_imports(path.relative_to(ROOT).parts[0], path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_files_and_functions_stay_short(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= MAX_FILE_LINES
    assert long_functions(source) == []


@pytest.mark.parametrize("path", SOURCES + TESTS + COMPANIONS, ids=_name)
def test_no_path_of_a_machine(path: Path) -> None:
    machine_path = re.compile(r"(?<![\w.])/(?:work|home|root|farm|tmp|opt|mnt|Users)/|[A-Z]:\\\\")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if machine_path.search(line) and "machine_path" not in line] == []


@pytest.mark.parametrize(
    ("layer", "line"),
    [
        ("grids", "from markets.bids import Bids"),
        ("markets", "def f():\n    import agents.tso"),
        ("sim", "import experiments"),
        ("agents", "import simpy"),
        ("markets", "import mesa"),
        ("markets", "import pandapower.networks as pn"),
        ("agents", "from scipy.optimize import linprog"),
        ("sim", "from scipy import optimize"),
        ("sim", "import matplotlib.pyplot as plt"),
    ],
)
def test_the_import_check_can_fail(layer: str, line: str) -> None:
    assert wrong_imports(layer, line)


def test_the_length_check_can_fail() -> None:
    body = "    pass\n" * MAX_FUNCTION_LINES
    assert long_functions(f"def f():\n{body}") == ["f (71 lines)"]
    assert long_functions(f"def f():\n{body[:-9]}") == []


def test_every_layer_is_seen() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in SOURCES} >= {"grids", "markets", "agents"}
