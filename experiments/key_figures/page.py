"""The tables of key figures in docs/model.md, made from the catalogue.

``python -m tandem_sim.experiments.key_figures.page`` writes the page anew, between marks for each group. A
test compares the page with the catalogue.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tandem_sim.experiments.key_figures.catalogue import KeyFigure, groups

PAGE = Path(__file__).resolve().parents[2] / "docs" / "model.md"
BEGIN = "<!-- key figures: {} -->"
END = "<!-- end of key figures -->"
HEAD = "| KPI | unit | sign | meaning | formula |\n|---|---|---|---|---|"


def table(figures: Sequence[KeyFigure]) -> str:
    """Key figures as a markdown table."""
    rows = [f"| `{f.name}` | {f.unit} | {f.sign} | {f.meaning} | {_cell(f.formula)} |" for f in figures]
    return "\n".join([HEAD, *rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def page() -> str:
    """The page docs/model.md with all tables made anew. Raises ValueError for a missing mark."""
    text = PAGE.read_text(encoding="utf-8")
    for group, figures in groups().items():
        before, mark, rest = text.partition(BEGIN.format(group) + "\n")
        _, end, after = rest.partition(END)
        if not (mark and end):
            raise ValueError(f"{PAGE.name} lacks the marks of key figures: {group}")
        text = f"{before}{mark}{table(figures)}\n{end}{after}"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
