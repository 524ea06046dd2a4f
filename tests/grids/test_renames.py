"""The rename map: new names exist, old ones do not, and the page is made of it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from tandem_sim.agents.base import messages
from tandem_sim.grids.renames import TITLES, new_key, page, renamed, renames
from tandem_sim.markets.cases.options import read_options
from tandem_sim.markets.coordination.gates import GATES
from tandem_sim.sim.output.tables import TABLES

ROOT = Path(__file__).parents[2]
TODAY = {
    "gate": set(GATES),
    "table": set(TABLES),
    "scenario": {path.stem for path in (ROOT / "experiments" / "scenarios").glob("*.yaml")},
}


@pytest.mark.parametrize("kind", TODAY)
def test_new_names_exist_and_old_ones_are_gone(kind: str) -> None:
    assert set(renamed(kind).values()) <= TODAY[kind]
    assert not renamed(kind).keys() & TODAY[kind]


def test_columns_are_those_of_the_tables() -> None:
    tables = renamed("table")
    for old, new in renamed("column").items():
        table, _, column = old.partition(".")
        columns = TABLES[tables.get(table, table)]
        assert new in columns
        assert column not in columns


def test_kinds_of_messages_are_those_of_their_classes() -> None:
    kinds = {cls.kind for cls in vars(messages).values() if isinstance(cls, type) and hasattr(cls, "kind")}
    told = {old: new for old, new in renamed("value").items() if old.startswith("messages.kind ")}
    assert set(told.values()) <= kinds
    assert not {old.split()[1] for old in told} & kinds


def test_modules_are_where_the_map_says() -> None:
    """Those of the studies need the libraries of learners, and are found by their file."""
    for old, new in renamed("module").items():
        if " " in old:
            continue
        assert (ROOT / (new.replace(".", "/") + ".py")).is_file(), new
    import_module("tandem_sim." + renamed("module")["markets.programme"])


def test_every_rename_is_one_of_a_known_kind_and_listed_once() -> None:
    assert {kind for kind, _, _ in renames()} == set(TITLES)
    assert len({(kind, old) for kind, old, _ in renames()}) == len(renames())


def test_the_page_is_current() -> None:
    assert (ROOT / "docs" / "renames.md").read_text(encoding="utf-8") == page()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("validation.audit_share", "power_flow_check.audit_share"),
        ("low_voltage.0.rush", "low_voltage.0.plug_in"),
        ("register", "flexibility_register"),
        ("capacity.register", None),  # a key is known by all of its path
        ("households", None),
    ],
)
def test_a_key_is_found_by_its_path(old: str, new: str | None) -> None:
    assert new_key(old) == new


def test_an_old_option_of_a_case_is_refused_with_its_new_name() -> None:
    with pytest.raises(ValueError, match="method: is called grid_prequalification now"):
        read_options({"method": "uniform"}, Path("case.json"))
