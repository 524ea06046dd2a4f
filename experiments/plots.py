"""Figures of a run folder and of several runs side by side, as PNG files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from experiments.plot_comparison import comparison_figure
from experiments.plot_data import read_run
from experiments.plot_grids import grid_figure, interface_figure
from experiments.plot_style import house_style, save
from experiments.plot_system import cost_figure, imbalance_figure, price_figure, state_figure


def plot_run(run: Path, zone: str, title: str) -> list[Path]:
    """Draw every figure of a run into its folder `figures`; the paths written.

    `zone` is the scenario's time zone, `title` names scenario and scheme.
    """
    folder = run / "figures"
    folder.mkdir(exist_ok=True)
    data = read_run(run, zone, title)
    with house_style():
        written = [
            save(imbalance_figure(data), folder / "imbalance.png"),
            save(price_figure(data), folder / "balancing_price.png"),
            save(interface_figure(data), folder / "interface_flows.png"),
            save(state_figure(data), folder / "state_of_charge.png"),
            save(cost_figure(data), folder / "cost.png"),
        ]
        written += [save(grid_figure(data, name), folder / f"grid_{name}.png") for name in data.distribution]
    return written


def plot_comparison(runs: Mapping[str, Path], zone: str, out: Path) -> list[Path]:
    """Draw runs side by side into the folder `out`; the paths written.

    `runs` maps the name of a scheme, as the legend shall show it, to its run folder.
    """
    out.mkdir(parents=True, exist_ok=True)
    data = {name: read_run(run, zone, name) for name, run in runs.items()}
    with house_style():
        return [save(comparison_figure(data), out / "comparison.png")]
