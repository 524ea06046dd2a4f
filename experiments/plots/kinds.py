"""What ``tandem plot`` draws of each kind, for one run and for several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from matplotlib.figure import Figure

from tandem_sim.experiments.figures.conflicts import conflict_figure
from tandem_sim.experiments.figures.grids import grid_figure, interface_figure
from tandem_sim.experiments.figures.low_voltage import low_voltage_figure
from tandem_sim.experiments.figures.system import cost_figure, imbalance_figure, price_figure, state_figure
from tandem_sim.experiments.plots.choices import KINDS
from tandem_sim.experiments.plots.learning import learners, learning_figure
from tandem_sim.experiments.plots.one.bidding import bidding_figure
from tandem_sim.experiments.plots.one.grid_map import grid_map_figure
from tandem_sim.experiments.plots.one.households import household_figure
from tandem_sim.experiments.plots.one.merit_order import default_isp, merit_order_figure
from tandem_sim.experiments.plots.one.money import money_figure
from tandem_sim.experiments.plots.runs import Shown, title_of
from tandem_sim.experiments.plots.series import SERIES
from tandem_sim.experiments.plots.several import several_figure
from tandem_sim.experiments.results.run_data import RunData
from tandem_sim.experiments.run_folder.tables import read_table
from tandem_sim.grids.errors import InputError
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.sim.output.tables import UNNEEDED

ONE: dict[str, Callable[[RunData], Figure]] = {
    "system": imbalance_figure,
    "prices": price_figure,
    "interface": interface_figure,
    "households": household_figure,
    "state": state_figure,
    "cost": cost_figure,
    "money": money_figure,
    "bidding": bidding_figure,
    "low-voltage": low_voltage_figure,
}
"""Kinds that are one figure of one run."""
NEEDED = {
    "grid": ("branch_loading", "bus_voltage", "branches"),
    "households": ("devices",),
    "conflicts": ("conflicts",),
}
"""Tables that a run may lack, by kind."""


def lacking(kind: str, shown: Sequence[Shown]) -> InputError | None:
    """Why a kind cannot be drawn of these runs; None if it can."""
    for each in shown:
        folder = str(each.run.folder)
        for table in NEEDED.get(kind, ()):
            if not each.data.has(table):
                left_out = table in UNNEEDED and table in each.run.scenario.output.leave_out
                why = ", which the run left out (output.leave_out)" if left_out else ""
                return InputError(folder, f"--what {kind}", f"needs the table {table}{why}", "Run it again")
        if kind == "low-voltage" and each.data.low_voltage.empty:
            return InputError(
                folder, "--what low-voltage", "needs low-voltage feeders", "Choose another kind"
            )
    if kind == "learning" and not learners(shown):
        problem = "needs sellers with a strategy other than truthful"
        return InputError(str(shown[0].run.folder), "--what learning", problem, "Choose another kind")
    if kind == "grid" and len(shown) > 1:
        return InputError(
            "RUN", "--what grid", "shows one run at a time", "Use --what limits, or give one run"
        )
    return None


def figures_of(
    kind: str, groups: Mapping[str, Sequence[Shown]], isp: int | None
) -> dict[str, Callable[[], Figure]]:
    """Figures of a kind, drawn when called, by the name of their file without a suffix.

    `isp` is that of the merit order. Of one run the kind's own figure, of several the common one.
    """
    shown = [each for group in groups.values() for each in group]
    data, title = shown[0].data, title_of(groups)
    if kind == "merit-order":
        labels = [f"{label}, seed {each.seed}" for label, group in groups.items() for each in group]
        at, runs = default_isp(data) if isp is None else isp, [each.run for each in shown]
        return {kind: lambda: merit_order_figure(runs, labels, at, title)}
    if kind == "learning":
        return {kind: lambda: learning_figure(groups, title)}
    if len(shown) > 1:
        heading, all_data = KINDS[kind][0].upper() + KINDS[kind][1:], [each.data for each in shown]
        return {kind: lambda: several_figure(heading, groups, SERIES[kind](all_data), title)}
    if kind == "grid":
        return {f"grid_{name}": partial(grid_map_figure, data, name) for name in (TSO, *data.distribution)}
    if kind == "limits":
        return {f"limits_{name}": partial(grid_figure, data, name) for name in data.distribution}
    if kind == "conflicts":
        return {kind: lambda: _conflicts(data)}
    return {kind: partial(ONE[kind], data)}


def _conflicts(data: RunData) -> Figure:
    rows = read_table(data.folder, "conflicts")
    return conflict_figure(data, rows[rows.isp.isin(data.system.isp)])
