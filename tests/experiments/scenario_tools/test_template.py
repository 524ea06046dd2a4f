"""What ``tandem new`` writes is read, validated and run; its comments are those of the fields."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tandem_sim.experiments.runs.bundled import SCENARIOS
from tandem_sim.experiments.runs.fields import REQUIRED, rows
from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.experiments.scenario_tools.schema import scenario_schema, write_schema
from tandem_sim.experiments.scenario_tools.template import SCHEMA_FILE, WIDTH, as_yaml, template
from tandem_sim.grids.documents.yaml_reader import read_yaml
from tests.experiments.cli.test_cli import refused, tandem

DISABLED = re.compile(r"^( *)#(?=[^\s#])", re.MULTILINE)
"""A field that is commented out; prose has a blank behind its mark."""


def test_the_first_scenario_validates_and_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the commands that it names: here with longer ISPs, and one day."""
    monkeypatch.chdir(tmp_path)
    assert tandem(monkeypatch, "new", "mine.yaml") == 0
    said = capsys.readouterr().out
    assert "tandem validate mine.yaml " in said
    assert "tandem run mine.yaml --out runs/mine\n" in said
    scenario, _ = read_scenario("mine.yaml")
    assert (scenario.name, scenario.days, scenario.unusual) == ("mine", 2, [])
    assert tandem(monkeypatch, "validate", "mine.yaml") == 0
    assert "It can run" in capsys.readouterr().out
    fast = "--set", "isp_minutes=60", "--set", "power_flow_check.audit_share=0", "--no-figures"
    assert tandem(monkeypatch, "run", "mine.yaml", "--days", 1, *fast, "--out", "runs/mine") == 0
    assert (tmp_path / "runs" / "mine" / "kpis.json").is_file()


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_made_from_a_bundled_one_is_that_one(name: str, tmp_path: Path) -> None:
    for everything in (False, True):
        path = tmp_path / "x.yaml"
        path.write_text(template(path, name, everything=everything), encoding="utf-8")
        assert read_scenario(str(path), {"name": name})[0] == read_scenario(name)[0]


@pytest.mark.parametrize("name", [None, *SCENARIOS])
def test_fields_that_are_commented_out_are_all_others_with_their_defaults(
    name: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "x.yaml"
    text = template(path, name, everything=True)
    path.write_text(text, encoding="utf-8")
    before = read_scenario(str(path))[0]
    path.write_text(DISABLED.sub(r"\1", text), encoding="utf-8")
    assert read_scenario(str(path))[0] == before
    keys = read_yaml(path.read_text(encoding="utf-8"), "x.yaml")
    for row in rows():
        if "[]" not in row.path and ".plug_in." not in row.path:
            section = keys
            for key in row.path.split("."):
                assert key in section, row.path
                section = section[key]
    assert text.count("\n#") > 20


def test_comments_are_those_of_the_fields() -> None:
    """Every field has its meaning, unit and usual range in the line or around it."""
    text = template(Path("x.yaml"), None, everything=True)
    flat = re.sub(r"\s*\n\s*# +", " ", text)
    for row in rows():
        assert row.meaning in flat or row.path.startswith(("low_voltage[].plug_in", "low_voltage[].band"))
        if "[]" not in row.path and row.unit not in ("", "count", "share"):
            assert re.search(rf"{re.escape(row.meaning)} \[[^\n]* {re.escape(row.unit)}[;\]]", flat), row.path
        if row.default is REQUIRED and "[]" not in row.path:
            assert re.search(rf"^ *{row.path.rpartition('.')[2]}:", text, re.MULTILINE)
    comments = [line for line in text.splitlines() if line.lstrip().startswith("# ")]
    assert max(map(len, comments)) <= WIDTH
    assert max(len(line) for line in text.splitlines()) <= WIDTH


def test_an_existing_file_stays_unless_forced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("kept", encoding="utf-8")
    refused(capsys, tandem(monkeypatch, "new", path), "exists already", "--force")
    assert path.read_text(encoding="utf-8") == "kept"
    assert tandem(monkeypatch, "new", path, "--force", "--from", "dutch") == 0
    assert read_scenario(str(path))[0].scheme == "hybrid"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mine", "does not end in .yaml or .yml. Name it mine.yaml"),
        ("mine.json", "does not end in"),
        ("gone/mine.yaml", "a folder that does not exist"),
        ("folder.yaml", "exists, and is no regular file"),
        ("link.yaml", "exists, and is no regular file"),
    ],
)
def test_what_cannot_be_written_ends_in_one_line(
    name: str,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "link.yaml").symlink_to("nowhere.yaml")
    refused(capsys, tandem(monkeypatch, "new", tmp_path / name, "--force"), expected)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.yaml", "link.yaml"]


def test_an_unknown_scenario_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(
        capsys,
        tandem(monkeypatch, "new", tmp_path / "a.yaml", "--from", "refrence"),
        "Did you mean reference",
    )


def test_a_schema_beside_it_is_named_for_editors(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    assert "$schema" not in template(path, None)
    write_schema(tmp_path / SCHEMA_FILE, scenario_schema())
    assert template(path, None).startswith(f"# yaml-language-server: $schema={SCHEMA_FILE}\n")


@pytest.mark.parametrize(
    "value",
    [
        "NO",
        "on",
        "null",
        "3",
        "1e3",
        "2016-04-18",
        "a: b",
        "a #b",
        " a",
        "",
        "\n\t\x07",
        'x"\\',
        "é",
        "🔋",
        "a, b",
    ],
)
def test_any_text_is_read_as_it_was(value: str) -> None:
    for made in (value, [value], {"k": value}):
        assert read_yaml(f"k: {as_yaml(made)}\n", "x")["k"] == made
        assert yaml.safe_load(as_yaml(made)) == made
