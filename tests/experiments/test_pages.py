"""The pages under docs/ name what there is: every table, column, key figure, command, gate and block."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tandem_sim.experiments.cli.app import COMMANDS
from tandem_sim.experiments.results.kpis import kpis_of
from tandem_sim.experiments.run_folder.tables import SCHEMAS
from tandem_sim.markets.coordination.gates import GATES
from tandem_sim.markets.schemes import SCHEMES, Options, build_schemes

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
OLD_NAMES = (
    r"`(orders|validation|remedies|register)`",
    r"table `study`|`register`, `study`",
    r"(?<![\w.])(validation|register)\.(enabled|audit_share|solver|grid_test|study|strikes|valid_days)\b",
    r"`prequalification: |`(validation|register):",
    r"\bgates\.(validate|replace)\b",
    r"\bnon_firm\.remedies\b",
    r"`rush`|\]\.rush\b",
    r"`(reference_up|reference_down|max_rounds|tolerance_mw)`|`mitigate:",
    r"--(method|step|tolerance)\b",
    r"`layer`|`street`|`wish_|\b(able|owed|kept|kept_up|kept_down)_mw\b",
    r"\bmade_good_by_|`replacement_cost_eur`|`substitution_cost_eur`|\bcapacity_owed_mwh\b",
    r"`replacement`|`mend`",
    r"leaves? (whose|the DSO's|its) house",
)
"""Names that were changed: keys, tables, columns, options, values, words."""


def _text(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def _section(page: str, title: str) -> str:
    """What stands under a heading, up to the next one of its level or above."""
    level, _, _ = title.partition(" ")
    text = _text(page)
    assert text.count(f"\n{title}\n") == 1, f"{page} has no section {title}, or several"
    return re.split(rf"\n#{{1,{len(level)}}} ", text.split(f"\n{title}\n")[1])[0]


def _first_cells(section: str, head: str) -> set[str]:
    """Names in the first column of tables whose head begins with `head`."""
    found: set[str] = set()
    for lines in re.findall(rf"^\| {head} \|.*\n\|[-|]+\n((?:\|.*\n)+)", section + "\n", re.MULTILINE):
        for line in lines.splitlines():
            found |= set(re.findall(r"`([^`]+)`", line.split("|")[1]))
    return found


@pytest.mark.parametrize("table", SCHEMAS)
def test_every_column_of_a_table_is_explained(table: str) -> None:
    columns, section = set(SCHEMAS[table].names), _section("formats.md", f"### `{table}`")
    assert {name for name in columns - {"time", "isp"} if f"`{name}`" not in section} == set()
    assert _first_cells(section, "column") - columns == set(), "explained, and no column"


def test_every_key_figure_is_explained(tmp_path: Path) -> None:
    rows = {"system": 2, "activations": 1}  # the least from which key figures can be worked out
    for name, schema in SCHEMAS.items():
        empty = {
            column.name: [_nothing(column.type, k) for k in range(rows.get(name, 0))] for column in schema
        }
        pq.write_table(pa.table(empty, schema=schema), tmp_path / f"{name}.parquet")
    named = _first_cells(_section("model.md", "## Key figures"), "KPI")
    assert named == set(kpis_of(tmp_path))


def _nothing(kind: pa.DataType, row: int) -> object:
    if pa.types.is_timestamp(kind):
        return pd.Timestamp("2016-01-01", tz="UTC") + row * pd.Timedelta(minutes=15)
    return "" if pa.types.is_string(kind) else False if pa.types.is_boolean(kind) else 0


def test_every_command_is_named() -> None:
    pages = " ".join(page.read_text(encoding="utf-8") for page in PAGES if page.name != "README.md")
    assert [c.__name__ for c in COMMANDS if not re.search(rf"tandem {c.__name__}\b", pages)] == []


def test_every_gate_is_in_the_overview() -> None:
    section = _section("model.md", "## One settlement period, gate by gate")
    named = re.findall(r"^\| [^|]+ \| `(\w+)` \|", section, re.MULTILINE)
    assert sorted(named) == sorted(GATES)


def test_what_a_dso_shares_is_what_blocks_read() -> None:
    lines = _section("model.md", "## Schemes").splitlines()
    head = next(k for k, line in enumerate(lines) if line.startswith("| scheme | `exchange`"))
    entries = re.findall(r"`(\w+)`", lines[head])
    found = {}
    for line in lines[head + 2 : head + 2 + len(SCHEMES)]:
        scheme, *marks = (cell.strip() for cell in line.strip("|").split("|"))
        found[scheme.strip("`")] = {f"area.{e}" for e, mark in zip(entries, marks, strict=True) if mark}
    read = {
        name: {e for e in scheme.information_shared() if not e.startswith("tso.")}
        for name, scheme in SCHEMES.items()
    }
    assert found == read


def test_every_block_has_its_rule() -> None:
    options = (Options(), Options(local_reactive=True, mitigation=True), Options(perimeter="pooled"))
    blocks = {b.name for o in options for scheme in build_schemes(o).values() for b in scheme.blocks}
    assert _first_cells(_text("schemes.md"), "block") == blocks


def test_terms_are_in_alphabetical_order_and_once() -> None:
    terms = re.findall(r"^\* \*\*([^*(,]+)", _text("glossary.md"), re.MULTILINE)
    letters = [re.sub(r"[^a-z ]", "", term.lower()).strip() for term in terms]
    assert len(terms) > 100
    assert letters == sorted(set(letters), key=lambda term: term.replace(" ", "\0"))


OF_TODAY = [page for page in PAGES if page.name != "renames.md"]  # which lists the old names


@pytest.mark.parametrize("page", OF_TODAY, ids=lambda page: page.name)
def test_no_page_has_a_name_that_was_changed(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [found[0] for old in OLD_NAMES for found in re.finditer(old, text)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_of_a_page_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    lost = [link for link in _links(text) if not _is_there(page, link)]
    paths = re.findall(r"`((?:agents|experiments|grids|markets|sim|tests)/[\w./]+)`", text)
    assert lost + [path for path in paths if not (ROOT / path).exists()] == []


def _links(text: str) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if not link.startswith("http"):
            yield link


def _is_there(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    if not anchor or not target.is_file():
        return target.exists()
    text = target.read_text(encoding="utf-8")
    heads = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    slugs = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}  # as GitHub makes them
    return anchor in slugs or f'<a name="{anchor}"></a>' in text


@pytest.mark.long("simulates two small days and clears two cases, as the page does")
def test_the_snippets_on_how_to_add_things_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    names: dict[str, object] = {}
    files = []
    for snippet in re.findall(r"```python\n(.*?)```", _text("extending.md"), re.DOTALL):
        file = re.match(r"# (\w+\.py)\n", snippet)
        if file is None:
            exec(compile(snippet, "extending.md", "exec"), names)
        else:
            files.append(file[1])
            (tmp_path / file[1]).write_text(snippet, encoding="utf-8")
            importlib.invalidate_caches()
    assert files == ["my_bids.py", "my_monitor.py", "my_scheme.py", "my_baseline.py"]
    assert (tmp_path / "import.png").stat().st_size > 10_000
