"""The house rules that a parser can see: who may import whom, how long a file grows, what no file may say."""

from __future__ import annotations

import ast
import graphlib
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("grids", "markets", "agents", "sim", "experiments")  # each may import itself and those before it
HOMES = {
    "simpy": {"sim"},
    "holidays": {"sim"},
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
PACKAGE = "tandem_sim"
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_MODULES = 500, 70, 9
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
            if node.module != PACKAGE:
                yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def wrong_imports(layer: str, source: str) -> list[str]:
    """Imports of `source` that a file in `layer` must not make."""
    allowed = LAYERS[: LAYERS.index(layer) + 1]
    wrong = []
    for name in _imports(ast.parse(source)):
        stranger = any(
            (name == lib or name.startswith(f"{lib}.")) and layer not in at for lib, at in HOMES.items()
        )
        top, _, inside = name.partition(".")
        upwards = top == PACKAGE and inside.split(".")[0] not in allowed
        if upwards or top in LAYERS or stranger:
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


BENCHES = {ROOT / "experiments" / "bench" / f"{part}.py" for part in ("markets", "runs")}
"""They compare Tandem with the bare solver and with bare pandapower, so they must call them."""


def _found(paths: Iterable[Path], problems: Callable[[Path, str], Sequence[object]]) -> dict[str, object]:
    """What is wrong with each file of `paths`, by its name."""
    texts = ((path, path.read_text(encoding="utf-8")) for path in paths)
    return {_name(path): wrong for path, text in texts if (wrong := problems(path, text))}


def test_imports_run_one_way_and_libraries_stay_at_home() -> None:
    layered = [path for path in SOURCES if path not in BENCHES]
    assert _found(layered, lambda path, text: wrong_imports(path.relative_to(ROOT).parts[0], text)) == {}


def test_files_and_functions_stay_short() -> None:
    assert _found(SOURCES, lambda _, text: long_functions(text)) == {}
    assert {_name(path) for path in SOURCES if path.read_bytes().count(b"\n") > MAX_FILE_LINES} == set()


def _package(path: Path) -> str:
    """The package of a file by its dotted name; a module at the top of a layer stands for itself."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts if len(parts) == 2 else parts[:-1])


def package_arrows(sources: Mapping[str, tuple[str, str]]) -> dict[str, set[str]]:
    """Which packages import which, from modules by name with their package and text.

    Doors (``__init__`` files) are left out: they import what they show.
    """
    arrows: dict[str, set[str]] = {package: set() for package, _ in sources.values()}
    for package, text in sources.values():
        for name in _imports(ast.parse(text)):
            found = sources.get(name.removeprefix(f"{PACKAGE}."))
            if found is not None and found[0] != package:
                arrows[package].add(found[0])
    return arrows


def _layered() -> dict[str, tuple[str, str]]:
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): (
            _package(path),
            path.read_text(encoding="utf-8"),
        )
        for path in SOURCES
        if path.name != "__init__.py"
    }


def test_packages_form_no_circle() -> None:
    list(graphlib.TopologicalSorter(package_arrows(_layered())).static_order())


def test_the_check_of_circles_can_fail() -> None:
    one = ("grids.a", "from tandem_sim.grids.b.y import Y")
    two = ("grids.b", "def f():\n    from tandem_sim.grids.a import x")
    arrows = package_arrows({"grids.a.x": one, "grids.b.y": two})
    with pytest.raises(graphlib.CycleError):
        list(graphlib.TopologicalSorter(arrows).static_order())


def test_packages_are_small_and_say_what_they_are() -> None:
    """Nine modules at most, and a paragraph for whoever opens the folder."""
    folders: dict[Path, int] = Counter(path.parent for path in SOURCES if path.name != "__init__.py")
    assert {_name(folder): n for folder, n in folders.items() if n > MAX_MODULES} == {}
    doors = {folder: (folder / "__init__.py").read_text(encoding="utf-8") for folder in folders}
    told = {folder: ast.get_docstring(ast.parse(text)) or "" for folder, text in doors.items()}
    assert [_name(folder) for folder, text in told.items() if text.count("\n\n") < 1] == []
    named = {
        folder: set(re.findall(r"(?<!`)`([a-z][a-z_0-9]*(?:\.[A-Za-z_]+)*)`", text))
        for folder, text in told.items()
    }
    gone = {
        f"{_name(folder)}: {name}"
        for folder, names in named.items()
        for name in names
        if not _is_there(folder, name)
    }
    assert gone == set()


def _is_there(folder: Path, name: str) -> bool:
    """Whether a name is a module, a neighbour of this folder, a module of a layer, or something in these."""
    paths = [base.joinpath(*name.split(".")) for base in (folder, folder.parent, ROOT)]
    if any(path.with_suffix(".py").is_file() or path.is_dir() for path in paths):
        return True
    module, _, attribute = name.rpartition(".")
    homes = (
        [base.joinpath(*module.split(".")).with_suffix(".py") for base in (folder, folder.parent, ROOT)]
        if module
        else []
    )
    return any(home.is_file() and attribute in home.read_text(encoding="utf-8") for home in homes)


def test_no_two_classes_have_one_name() -> None:
    found = Counter(
        node.name
        for path in SOURCES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, times in found.items() if times > 1] == []


def test_constructors_written_by_hand_take_eight_values_at_most() -> None:
    """What needs more is a dataclass with keywords."""
    wide = {
        f"{_name(path)}: {node.name}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        for made in node.body
        if isinstance(made, ast.FunctionDef) and made.name == "__init__"
        if len(made.args.args) + len(made.args.kwonlyargs) > 9
    }
    assert wide == set()


def test_no_path_of_a_machine() -> None:
    machine_path = re.compile(r"(?<![\w.])/(?:work|home|root|farm|tmp|opt|mnt|Users)/|[A-Z]:\\\\")

    def paths(_: Path, text: str) -> list[str]:
        lines = text.splitlines()
        return [line for line in lines if machine_path.search(line) and "machine_path" not in line]

    assert _found([*SOURCES, *(ROOT / PACKAGE).glob("*.py"), *TESTS, *COMPANIONS], paths) == {}


@pytest.mark.parametrize(
    ("layer", "line"),
    [
        ("grids", "from tandem_sim.markets.orders.bids import Bids"),
        ("markets", "def f():\n    import tandem_sim.agents.operators.tso"),
        ("sim", "import tandem_sim.experiments"),
        ("sim", "from tandem_sim import experiments"),
        ("sim", "import tandem_sim"),
        ("sim", "from markets.bids import Bids"),
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


def test_the_wheel_holds_every_package() -> None:
    """Packages are named one by one in pyproject.toml: a folder that is forgotten there would be missing."""
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folders = {path.parent for path in SOURCES}
    assert {path / "__init__.py" for path in folders} <= set(SOURCES)
    assert set(setup["packages"]) == {PACKAGE} | {
        f"{PACKAGE}." + str(folder.relative_to(ROOT)).replace(os.sep, ".") for folder in folders
    }
    places = {PACKAGE: PACKAGE} | {f"{PACKAGE}.{layer}": layer for layer in LAYERS}
    assert setup["package-dir"] == places


@pytest.mark.parametrize("layer", LAYERS)
def test_a_module_has_one_name(layer: str) -> None:
    """Under two names it would be two modules, and `isinstance` would fail between them without a word."""
    tried = subprocess.run(
        [sys.executable, "-c", f"import {layer}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert f"is imported as {PACKAGE}.{layer}" in tried.stderr


def test_a_checkout_without_links_is_importable(tmp_path: Path) -> None:
    """Where links come out as plain files the five folders are found beside the package."""
    package = tmp_path / PACKAGE
    package.mkdir()
    source = (ROOT / PACKAGE / "__init__.py").read_text(encoding="utf-8")
    (package / "__init__.py").write_text(source, encoding="utf-8")
    for layer in LAYERS:
        (package / layer).write_text(f"../{layer}", encoding="utf-8")
        (tmp_path / layer).mkdir()
        (tmp_path / layer / "__init__.py").write_text("")
    code = f"import {PACKAGE}.grids as g; print(g.__name__, g.__file__)"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout.split()
    assert told == [f"{PACKAGE}.grids", str(tmp_path / "grids" / "__init__.py")]
