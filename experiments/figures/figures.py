"""Figures of one run folder, and figures that compare several runs, as PNG files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from tandem_sim.experiments.figures.bid_checks import bid_check_figure, has_bid_checks
from tandem_sim.experiments.figures.comparison import comparison_figure
from tandem_sim.experiments.figures.conflicts import conflict_figure
from tandem_sim.experiments.figures.grids import grid_figure, interface_figure
from tandem_sim.experiments.figures.low_voltage import low_voltage_figure
from tandem_sim.experiments.figures.style import house_style, save
from tandem_sim.experiments.figures.system import cost_figure, imbalance_figure, price_figure, state_figure
from tandem_sim.experiments.results.run_data import read_run
from tandem_sim.experiments.run_folder.tables import read_table


def plot_run(
    run: Path,
    zone: str,
    title: str,
    on_figure: Callable[[int, int], None] = lambda drawn, of: None,
    given: Collection[str] = (),
) -> list[Path]:
    """Draw every figure of a run into its folder `figures`; returns the paths written.

    `zone` is the scenario's time zone, `title` names scenario, scheme and seed. The figure of conflicts is
    drawn only if a DSO has bought anything, that of low voltage only if there are low-voltage feeders.
    `on_figure` is called with the number of figures drawn so far, from 0, and of all. `given` names the
    prices that the scenario gives.
    """
    folder = run / "figures"
    folder.mkdir(exist_ok=True)
    data, conflicts = read_run(run, zone, title, given), read_table(run, "conflicts")
    figures: dict[str, Callable[[], Figure]] = {
        "imbalance": partial(imbalance_figure, data),
        "balancing_price": partial(price_figure, data),
        "interface_flows": partial(interface_figure, data),
        "state_of_charge": partial(state_figure, data),
        "cost": partial(cost_figure, data),
        **{f"grid_{name}": partial(grid_figure, data, name) for name in data.distribution},
        **({"conflicts": partial(conflict_figure, data, conflicts)} if len(conflicts) else {}),
        **({"low_voltage": partial(low_voltage_figure, data)} if len(data.low_voltage) else {}),
    }
    written: list[Path] = []
    with house_style():
        for name, draw in figures.items():
            on_figure(len(written), len(figures))
            written.append(save(draw(), folder / f"{name}.png"))
    return written


def comparison_paths(out: Path) -> tuple[Path, Path]:
    """Paths of the figures of several runs: the comparison, and the effect of the DSOs' bid checks."""
    return out / "comparison.png", out / "bid_checks.png"


def plot_comparison(runs: Mapping[str, Path], zone: str, out: Path, title: str = "") -> list[Path]:
    """Draw the figures that compare runs into the folder `out`; returns the paths written.

    `runs` maps the name of a scheme, as the legend shall show it, to its run folder; `title` names scenario
    and seed. The effect of bid checks is drawn if there are several runs and in one of them a DSO checks
    bids.
    """
    out.mkdir(parents=True, exist_ok=True)
    comparison, bid_checks = comparison_paths(out)
    bid_checks.unlink(missing_ok=True)  # of an earlier run that is replaced
    data = {name: read_run(run, zone, name) for name, run in runs.items()}
    with house_style():
        written = [save(comparison_figure(data, title), comparison)]
        if len(data) > 1 and any(has_bid_checks(run) for run in data.values()):
            written.append(save(bid_check_figure(data, title), bid_checks))
    return written
