"""Run folders of strangers: a manifest, key figures or a journal that are broken end in one `InputError`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tandem_sim as tandem
from tandem_sim.experiments.explain.explain import explain
from tandem_sim.experiments.market_power.measure import read_power_run
from tandem_sim.experiments.runs.run import manifest_of
from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.experiments.sweeps.runs import outcome
from tandem_sim.grids.errors import InputError
from tests.experiments.cli.test_cli import SMALL

BROKEN = [
    b"",
    b"{",
    b"[]",
    b"3",
    b"null",
    b"\xff\xfe",
    b"\0",
    b"[" * 10**5,
    b'{"a":' * 10**5,
    b"9" * 10**5,
    b'{"scenario": {}, "scenario": {}}',
    b'{"scenario": {"a": NaN}}',
    b'{"scenario": {"a": 1e999}}',
    b'{"scenario": {"a": "\\ud800"}}',
]
NO_SCENARIO = [b"{}", b'{"scenario": []}', b'{"scenario": null}', b'{"scenario": "x"}']
MARKET = {
    "seed": 1,
    "scheme": "common",
    "scenario": {"isp_minutes": 15, "zone": "Europe/Brussels", "distribution": [{"id": "D1"}]},
}
KPIS = {"violated_isps": 0, "violated_isps_created": 0, "unserved_mwh": 0.0}


def refused(read: Callable[[], Any], file: Path, expected: str = "") -> None:
    with pytest.raises(InputError) as found:
        read()
    told = str(found.value)
    assert found.value.source.startswith(str(file))
    assert expected in told
    assert told.isprintable()
    assert len(told) < 1000


@pytest.mark.parametrize("data", [*BROKEN, *NO_SCENARIO], ids=lambda data: repr(data[:25]))
def test_a_manifest_that_is_none(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    file.write_bytes(data)
    refused(lambda: tandem.load(tmp_path), file)
    refused(lambda: read_power_run(tmp_path), file)
    assert manifest_of(tmp_path).get("run_id") is None  # nobody's finished run


@pytest.mark.parametrize("scenario", [{}, {"name": ["x"]}, {"based_on": ["x"]}, {"x\n\x1b[2J" * 1000: 1}])
def test_a_manifest_whose_scenario_is_none(scenario: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"scenario": scenario}), encoding="utf-8")
    run = tandem.load(tmp_path)
    refused(lambda: run.scenario, tmp_path / "manifest.json")
    refused(lambda: explain(run, 0, "b1"), tmp_path / "manifest.json")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("seed", "1", "seed: Input should be a valid integer"),
        ("seed", ..., "seed: Field required"),
        ("scheme", "nope", "nope: is not known"),
        ("scheme", ["common"], "scheme: Input should be a valid string"),
        ("scenario.isp_minutes", 0, "scenario.isp_minutes"),
        ("scenario.isp_minutes", "15", "scenario.isp_minutes"),
        ("scenario.zone", "../../etc/passwd", "no time zone"),
        ("scenario.distribution", [], "scenario.distribution"),
        ("scenario.distribution", [{"id": 3}], "scenario.distribution.0.id"),
        ("scenario.distribution", {"id": "D1"}, "scenario.distribution"),
    ],
)
def test_market_power_looks_at_runs_whose_market_is_told(
    field: str, value: Any, expected: str, tmp_path: Path
) -> None:
    found = json.loads(json.dumps(MARKET))
    *above, key = field.split(".")
    part = found[above[0]] if above else found
    if value is ...:
        del part[key]
    else:
        part[key] = value
    (tmp_path / "manifest.json").write_text(json.dumps(found), encoding="utf-8")
    refused(lambda: read_power_run(tmp_path), tmp_path / "manifest.json", expected)


@pytest.mark.parametrize("data", BROKEN, ids=lambda data: repr(data[:25]))
def test_key_figures_that_are_none(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(MARKET), encoding="utf-8")
    (tmp_path / "kpis.json").write_bytes(data)
    refused(lambda: tandem.load(tmp_path).kpis, tmp_path / "kpis.json")
    refused(lambda: read_power_run(tmp_path), tmp_path / "kpis.json")
    refused(lambda: outcome(tmp_path), tmp_path / "kpis.json")


@pytest.mark.parametrize("value", [..., None, "0", [0], True])
def test_key_figures_that_market_power_needs(value: Any, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(MARKET), encoding="utf-8")
    given = {key: number for key, number in KPIS.items() if key != "unserved_mwh"}
    given |= {} if value is ... else {"unserved_mwh": value}
    (tmp_path / "kpis.json").write_text(json.dumps(given), encoding="utf-8")
    refused(lambda: read_power_run(tmp_path), tmp_path / "kpis.json", "unserved_mwh: is missing or no number")


@pytest.mark.parametrize(
    "line",
    [
        "3",
        "[]",
        '{"event": 3}',
        '{"a": 1}',
        '{"event": "gone"}',
        '{"event": "failed", "error": ["x"]}',
        '{"event": "finished", "seconds": "3"}',
    ],
)
def test_a_journal_of_something_else(line: str, tmp_path: Path) -> None:
    journal = tmp_path / "r.jsonl"
    journal.write_text(f'{{"event": "started", "pid": 1}}\n{line}\n', encoding="utf-8")
    refused(lambda: outcome(tmp_path / "r"), journal, "line 2")
    journal.write_bytes(b"\xff")
    refused(lambda: outcome(tmp_path / "r"), journal, "not UTF-8")


def test_a_finished_run_is_read_through_its_manifest(tmp_path: Path) -> None:
    keys = read_scenario(str(SMALL))[0].model_dump(mode="json", by_alias=True)
    (tmp_path / "manifest.json").write_text(json.dumps({"scenario": keys}), encoding="utf-8")
    (tmp_path / "kpis.json").write_text(json.dumps(KPIS), encoding="utf-8")
    run = tandem.load(tmp_path)
    assert (run.kpis, run.scenario) == (KPIS, read_scenario(str(SMALL))[0])
