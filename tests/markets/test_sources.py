"""Sources of schemes: what `tandem schemes` names is documented, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tandem_sim.markets.choices import ABOUT

MODEL = Path(__file__).resolve().parents[2] / "docs" / "model.md"
TITLE = "## Where schemes come from\n"
NOT_IMPLEMENTED = ("iCAROS", "ATTEST", "OneNet", "Redispatch 3.0")
"""Schemes of others that look like ours in part; the section says of each how it differs."""


def _section() -> str:
    text = MODEL.read_text(encoding="utf-8")
    assert text.count(TITLE) == 1
    return text.split(TITLE)[1].split("\n## ")[0]


def _entries() -> dict[tuple[str, str], tuple[str, str]]:
    """(scheme, source) -> what is taken, what differs."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for line in _section().splitlines():
        if line.startswith("| `"):
            scheme, source, taken, differs = (cell.strip() for cell in line.strip("|").split("|"))
            key = scheme.strip("`"), source
            assert key not in found, f"{key} stands twice"
            found[key] = taken, differs
    return found


def test_every_source_of_a_scheme_says_what_is_taken_and_what_differs() -> None:
    named = {(scheme, source) for scheme, (_, sources) in ABOUT.items() for source in sources.split("; ")}
    entries = _entries()
    assert named - set(entries) == set(), "named by `tandem schemes`, and nothing in docs/model.md says why"
    assert set(entries) - named == set(), "documented as a source, and not named by `tandem schemes`"
    assert all(taken and differs for taken, differs in entries.values())


def test_a_section_of_a_deliverable_is_given_where_there_is_one() -> None:
    for (scheme, source), (taken, _) in _entries().items():
        if source.startswith("ALEXANDER"):
            assert re.match(r"\d\.\d\.\d", taken), f"{scheme}: no section of the deliverable"


@pytest.mark.parametrize("name", NOT_IMPLEMENTED)
def test_what_is_not_implemented_is_no_source(name: str) -> None:
    assert not any(name in sources for _, sources in ABOUT.values())
    assert any(line.startswith(f"* **{name}") for line in _section().splitlines())
