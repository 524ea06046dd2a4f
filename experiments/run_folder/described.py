"""The tables of a run in docs/formats.md, made from the descriptions of their columns.

``python -m tandem_sim.experiments.run_folder.described`` writes the page anew, between marks in the section
of each table. A test compares the page with the descriptions.
"""

from __future__ import annotations

import re
from pathlib import Path

from tandem_sim.experiments.run_folder.conflicts import CONFLICTS_ABOUT, UNITS_ABOUT
from tandem_sim.sim.output.columns import COMMON, TableAbout
from tandem_sim.sim.output.tables import ABOUT, FIXED

PAGE = Path(__file__).resolve().parents[2] / "docs" / "formats.md"
BEGIN = "<!-- columns of {} -->"
END = "<!-- end of columns -->"
EVERY = "every table"
DESCRIBED: dict[str, TableAbout] = {
    **ABOUT,
    **FIXED,
    "conflicts": CONFLICTS_ABOUT,
    "units": UNITS_ABOUT,
}
"""Every table of a run folder."""


def columns_of(table: str) -> str:
    """What a table holds, and its columns as a markdown table; common columns are only named."""
    about = DESCRIBED[table]
    shared = [c.name for c in about.columns if COMMON.get(c.name) == c.meaning]
    own = [c for c in about.columns if c.name not in shared]
    named = ", ".join(f"`{name}`" for name in shared)
    lines = [about.meaning, "", *([f"Common columns: {named}.", ""] if shared else [])]
    if own:
        lines += ["| column | unit | meaning |", "|---|---|---|"]
        lines += [f"| `{c.name}` | {c.unit} | {c.meaning} |" for c in own]
    return "\n".join(lines).rstrip()


def page() -> str:
    """The page docs/formats.md with all tables of columns made anew. Raises ValueError for a missing mark."""
    text = PAGE.read_text(encoding="utf-8")
    common = [f"| `{name}` | {meaning} |" for name, meaning in COMMON.items()]
    blocks = {EVERY: "\n".join(["| column | meaning |", "|---|---|", *common])}
    blocks |= {table: columns_of(table) for table in DESCRIBED}
    for name, block in blocks.items():
        mark = BEGIN.format(name)
        found = re.escape(f"{mark}\n") + r"(?:.*\n)*?" + re.escape(END)
        if len(re.findall(found, text)) != 1:
            raise ValueError(f"{PAGE.name} lacks the marks of columns of {name}")
        new = f"{mark}\n{block}\n{END}"
        text = re.sub(found, lambda _, new=new: new, text)  # type: ignore[misc]
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
