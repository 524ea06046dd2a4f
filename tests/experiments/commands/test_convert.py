"""Files of earlier versions under the names of this one: names change, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem_sim.experiments.commands.convert import convert
from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.experiments.sweeps.sweep import read_sweep
from tandem_sim.grids.errors import InputError

OLD = """# a comment: prequalification
based_on: street
prequalification: uniform   # by the same share
gates: {validate: 44, "replace": 5.3}
validation:
  audit_share: 0.0
non_firm: {remedies: [portfolio]}
"""
NEW = """# a comment: prequalification
based_on: lv-feeder
grid_prequalification: uniform   # by the same share
gates: {prequalify: 44, "substitute": 5.3}
power_flow_check:
  audit_share: 0.0
non_firm: {substitution: [portfolio]}
"""


def _file(folder: Path, text: str, name: str = "old.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_scenario_is_rewritten_in_its_place_and_reads(tmp_path: Path) -> None:
    path = _file(tmp_path, OLD)
    found = convert(path)
    assert found == [
        "street -> lv-feeder",
        "prequalification -> grid_prequalification",
        "validate -> prequalify",
        "replace -> substitute",
        "validation -> power_flow_check",
        "remedies -> substitution",
    ]
    assert path.read_text(encoding="utf-8") == NEW
    scenario, _ = read_scenario(str(path))
    assert (scenario.grid_prequalification, scenario.gates.prequalify) == ("uniform", 44.0)
    assert convert(path) == []  # there is nothing left to change


def test_keys_given_by_their_paths_in_a_sweep(tmp_path: Path) -> None:
    old = "scenario: street\nset: {days: 1, validation.audit_share: 0.0}\nalso: [{register.valid_days: 9}]\n"
    path = tmp_path / "new.yaml"
    convert(_file(tmp_path, old), path)
    *_, point = read_sweep(path)  # the one of ``also``
    assert point.scenario.flexibility_register.valid_days == 9
    assert point.scenario.power_flow_check.audit_share == 0.0


def test_options_of_a_case(tmp_path: Path) -> None:
    path = _file(tmp_path, '{"name": "x", "options": {"method": "static", "step_mw": 0.1}}', "case.json")
    convert(path)
    assert path.read_text(encoding="utf-8") == (
        '{"name": "x", "options": {"grid_prequalification": "static", "aggregation_step_mw": 0.1}}'
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "validation: {audit_share: 0}\n",
            "validation: is an unknown key .it is called power_flow_check now",
        ),
        ("based_on: street\n", "based_on: street is called lv-feeder now"),
        ("gates: {validate: 44}\n", "gates.validate: .* called gates.prequalify now"),
    ],
)
def test_old_keys_are_refused_with_their_new_name(text: str, says: str, tmp_path: Path) -> None:
    path = _file(tmp_path, text if "based_on" in text else "based_on: reference\n" + text)
    with pytest.raises(InputError, match=says):
        read_scenario(str(path))


def test_nothing_is_written_over_and_nothing_unreadable(tmp_path: Path) -> None:
    path, other = _file(tmp_path, OLD), _file(tmp_path, "x: 1\n", "other.yaml")
    with pytest.raises(InputError, match=r"other\.yaml: --out: exists"):
        convert(path, other)
    with pytest.raises(InputError, match="the file does not exist"):
        convert(tmp_path / "none.yaml")
    broken = _file(tmp_path, "a: [1\n", "broken.yaml")
    with pytest.raises(InputError, match="line"):
        convert(broken)
    assert broken.read_text(encoding="utf-8") == "a: [1\n"
