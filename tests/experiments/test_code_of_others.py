"""Files may name code: nothing of it is imported unless a person allowed it or installed it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

import tandem_sim
from tandem_sim.agents.strategies.allowed_code import AllowedCode, imported, installed, source_files
from tandem_sim.experiments.api import read_scenario
from tandem_sim.grids.errors import InputError
from tests.experiments.cli.test_cli import SMALL, tandem

ROOT = Path(tandem_sim.__file__).parents[1]
CANARY = """
from pathlib import Path
from tandem_sim import Offers

with open(Path(__file__).with_name("imported.txt"), "a") as file:
    file.write(f"{__name__}\\n")


class Mine:
    learns = False

    def offers(self, view):
        if view.isp >= LAST:
            raise RuntimeError("tired")
        return Offers(view.cost, view.quantity_mw)

    def learn(self, outcome):
        pass


LAST = 1000
"""
FIELDS: dict[str, Any] = {"households": 150, "isp_minutes": 60, "power_flow_check": {"audit_share": 0.0}}
SHORT: dict[str, Any] = {"days": 1, "households": 150, "isp_minutes": 60}
DRIVER = """
import json, sys
from tandem_sim.experiments.cli import main

codes = []
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["tandem", *arguments]
    try:
        main()
    except SystemExit as stop:
        codes.append(stop.code or 0)
print("codes", codes)
"""
"""Several commands in one process: it takes seconds to start."""


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A folder as one gets it from a stranger: a scenario, a sweep, and the code that they name."""
    (tmp_path / "mine.py").write_text(CANARY, encoding="utf-8")
    scenario = yaml.safe_load(SMALL.read_text(encoding="utf-8")) | FIELDS
    scenario["strategies"] = [{"aggregators": ["A01"], "name": "mine:Mine"}]
    (tmp_path / "scenario.yaml").write_text(yaml.safe_dump(scenario), encoding="utf-8")
    sweep = {"scenario": "scenario.yaml", "seeds": [1, 2], "plots": False}
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(sweep), encoding="utf-8")
    return tmp_path


def told(folder: Path, *commands: Sequence[object]) -> tuple[list[int], str]:
    """Exit codes of commands run in a folder whose modules can be imported, and all they say."""
    path = os.pathsep.join([str(folder), str(ROOT)])
    asked = json.dumps([[str(part) for part in command] for command in commands])
    process = subprocess.run(
        [sys.executable, "-c", DRIVER, asked],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    said, _, codes = process.stdout.rpartition("codes ")
    return json.loads(codes), said + process.stderr


def test_nothing_is_imported_unasked(given: Path) -> None:
    codes, said = told(
        given,
        ["validate", "scenario.yaml"],
        ["run", "scenario.yaml", "--out", "out"],
        ["run", "scenario.yaml", "--out", "out", "--allow-code", "min", "--allow-code", "mine.Mine"],
        ["run", SMALL, "--set", "strategy=mine:Mine", "--out", "out"],
        ["sweep", "sweep.yaml", "--out", "swept"],
        ["power", "scenario.yaml", "--out", "power"],
        ["power", "--help"],
        ["clear", "scenario.yaml"],
        ["game", "scenario.yaml"],
        ["explain", ".", "--isp", 3],
        ["strategies"],
    )
    assert codes == [0, 2, 2, 2, 2, 2, 0, 2, 2, 2, 0]
    assert not (given / "imported.txt").exists()
    assert sorted(p.name for p in given.iterdir()) == ["mine.py", "scenario.yaml", "sweep.yaml"]
    assert "strategies.0.name names mine:Mine: code that is not imported here" in said
    refusal = (
        "strategies.0.name: names mine:Mine, code that is not imported without permission. If you trust it: "
    )
    assert said.count(f"tandem: scenario.yaml: {refusal}--allow-code mine.") == 4
    assert f"tandem: {SMALL}: strategy: names mine:Mine" in said


def test_what_is_allowed_runs_here_and_in_workers_and_does_not_go_on_once_it_has_changed(given: Path) -> None:
    allowed = ["--allow-code", "mine", "--quiet"]
    (given / "mine.py").write_text(CANARY.replace("1000", "30"), encoding="utf-8")
    run = ["run", "scenario.yaml", "--days", 2, "--out", "out", "--no-figures", *allowed]
    codes, said = told(given, ["sweep", "sweep.yaml", "--out", "swept", "--workers", 2, *allowed], run)
    assert codes == [0, 2], said
    assert "strategy Mine of A01, ISP 30: RuntimeError: tired" in said
    imports = (given / "imported.txt").read_text(encoding="utf-8")
    assert imports == "mine\n" * 3  # by each of two workers, and by the run
    assert len(list((given / "swept").glob("*/kpis.json"))) == 2
    assert (given / "out.unfinished" / "checkpoint").is_file()
    resumed = ["sweep", "sweep.yaml", "--out", "swept", "--resume"]  # finished runs need no code
    codes, _ = told(given, resumed)
    assert codes == [0]
    (given / "mine.py").write_text(CANARY, encoding="utf-8")
    codes, said = told(given, resumed, [*run, "--resume"])
    assert codes == [2, 2]
    assert "2 finished runs are not those that would be made now" in said
    assert "differs in source of mine:Mine." in said
    assert "source of mine:Mine: are not those that the run was started with" in said
    by_the_run = "mine\n"  # it is allowed to, before it finds what its checkpoint is of
    assert (given / "imported.txt").read_text(encoding="utf-8") == imports + by_the_run


def test_from_python_it_is_allowed_by_name(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"names tests\.code:Mine, code that is not imported without permission"
    ):
        tandem_sim.run("reference", tmp_path / "run", changes={"strategy": "tests.code:Mine"})
    own = {"strategy": "tests.code:Mine"}
    with pytest.raises(InputError, match=r"cannot be imported \(ModuleNotFoundError"):
        tandem_sim.run("reference", tmp_path / "run", changes=own | SHORT, allow_code=["tests.code"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("raise RuntimeError('a\\nb')", "RuntimeError: a b"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        ("class", "SyntaxError: invalid syntax"),
        ("", "AttributeError: module 'faulty' has no attribute 'Mine'"),
    ],
)
def test_what_cannot_be_imported_is_one_message(
    source: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faulty.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "faulty", raising=False)
    with pytest.raises(InputError) as told:
        imported("faulty:Mine", AllowedCode.of(["faulty"]), "strategy")
    assert told.value.field == "strategy"
    assert told.value.problem.startswith(f"faulty:Mine cannot be imported ({problem}")
    assert "\n" not in str(told.value)


def test_ctrl_c_while_importing_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_off.py").write_text("raise KeyboardInterrupt", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        imported("broken_off:Mine", AllowedCode.of(["broken_off"]), "strategy")


def test_a_package_allows_what_is_in_it_and_nothing_else() -> None:
    allowed = AllowedCode.of(["mine.desk", "yours"])
    for module, may in {
        "mine.desk": 1,
        "mine.desk.up": 1,
        "yours.a.b": 1,
        "mine": 0,
        "mine.desks": 0,
    }.items():
        assert allowed.covers(module) == bool(may)
    for name, advice in (
        ("mine:Mine", "Give mine"),
        ("mine.py", "Give mine"),
        ("a/b", "my.module"),
        ("", "my"),
    ):
        with pytest.raises(InputError, match=advice):
            AllowedCode.of([name])
    with pytest.raises(InputError, match="Give a list"):
        AllowedCode.of("mine")


METADATA = "Metadata-Version: 2.1\nName: fancy\nVersion: 1.2\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a distribution is installed that announces two strategies."""
    folder = tmp_path / "site"
    (folder / "fancy-1.2.dist-info").mkdir(parents=True)
    (folder / "fancy-1.2.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: fancy\nVersion: 1.2\n"
    )
    announced = "[tandem_sim.strategies]\nfancy-bids = fancy_bids:Mine\ntruthful = fancy_bids:Mine\n"
    (folder / "fancy-1.2.dist-info" / "entry_points.txt").write_text(announced)
    (folder / "fancy_bids.py").write_text(CANARY, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "fancy_bids", raising=False)
    return folder


def test_what_is_installed_needs_no_permission(
    site: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tandem(monkeypatch, "strategies") == 0
    listed = " ".join(capsys.readouterr().out.split())  # lines are wrapped
    assert "fancy-bids: fancy_bids:Mine, installed by fancy 1.2" in listed
    assert "truthful: fancy_bids:Mine, installed by fancy 1.2 (not used: the name is built in)" in listed
    assert read_scenario("reference", {"strategy": "fancy-bids"}).strategy == "fancy-bids"
    with pytest.raises(InputError, match="Did you mean fancy-bids"):
        read_scenario("reference", {"strategy": "fancy-bid"})
    assert source_files(["fancy-bids", "truthful"]) == [site / "fancy_bids.py"]
    assert not (site / "imported.txt").exists()
    assert imported("fancy-bids", AllowedCode(), "strategy").__module__ == "fancy_bids"
    with pytest.raises(InputError, match="--allow-code fancy_bids"):
        imported("fancy_bids:Mine", AllowedCode(), "strategy")


def test_what_merely_lies_in_the_current_folder_is_not_installed(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(site)
    assert "fancy-bids" not in installed()


def test_two_distributions_with_one_name_are_told_apart_by_whoever_runs(site: Path) -> None:
    shutil.copytree(site / "fancy-1.2.dist-info", site / "plain-3.dist-info")
    metadata = METADATA.replace("fancy", "plain").replace("1.2", "3")
    (site / "plain-3.dist-info" / "METADATA").write_text(metadata)
    with pytest.raises(InputError, match=r"several distributions: .*plain 3 \(fancy_bids:Mine\)"):
        imported("fancy-bids", AllowedCode(), "strategy")


def test_sources_are_found_without_importing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "pack/__init__.py",
        "pack/inner/__init__.py",
        "pack/inner/bids.py",
        "loose/bids.py",
        "one.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("raise RuntimeError", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    pack = [tmp_path / "pack" / name for name in ("__init__.py", "inner/__init__.py", "inner/bids.py")]
    assert source_files(["pack.inner.bids:A", "pack:B"]) == pack
    assert source_files(["loose.bids:A"]) == [tmp_path / "loose" / "bids.py"]
    assert source_files(["one:A", "truthful"]) == [tmp_path / "one.py"]
    assert source_files(["nowhere:A", "one.deeper:A", "sys:A"]) == []


def test_a_name_that_is_no_class_is_refused_when_read() -> None:
    for name in (":A", "mine:", "mine:A.b", "a/b:C", "mine:A B"):
        says = "a/b:C is a file. Name its module and class" if "/" in name else "it is no module:Class"
        for changes in ({"strategy": name}, {"strategies": [{"aggregators": ["A01"], "name": name}]}):
            with pytest.raises(InputError, match=says):
                read_scenario("reference", changes)
