"""``python -m tandem_sim.experiments.drawings``: write drawings and the tables of docs/schemes.md anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from tandem_sim.experiments.drawings.draw_flows import information_figure, payments_figure
from tandem_sim.experiments.drawings.draw_models import models_figure
from tandem_sim.experiments.drawings.draw_times import days_figure, isp_figure
from tandem_sim.experiments.drawings.tables import PAGE, page
from tandem_sim.experiments.figures.style import house_style, save

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "figures"
DRAWINGS: Mapping[str, Callable[[], Figure]] = {
    "gates_of_days": days_figure,
    "gates_of_isp": isp_figure,
    "information": information_figure,
    "payments": payments_figure,
    "grid_models": models_figure,
}
"""Every drawing by the name of its file."""


def draw(folder: Path) -> list[Path]:
    """Write all drawings as SVG, with their texts as outlines."""
    with house_style():
        return [save(make(), folder / f"{name}.svg", "svg") for name, make in DRAWINGS.items()]


if __name__ == "__main__":
    draw(FOLDER)
    PAGE.write_text(page(), encoding="utf-8")
