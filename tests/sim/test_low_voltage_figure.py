"""The figure of low-voltage feeders draws what the tables of a run say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import StepPatch

from tandem_sim.experiments.figures.low_voltage import low_voltage_figure
from tandem_sim.experiments.figures.style import house_style
from tandem_sim.experiments.results.run_data import read_run
from tests.sim.conftest import table
from tests.sim.settlement.test_non_firm import PLAIN, ZONE


def test_the_figure_draws_voltages_contracts_and_offers(small_run: Callable[..., Path]) -> None:
    folder = small_run(**PLAIN)
    rows = table(folder, "low_voltage").groupby("isp")
    with house_style():
        figure = low_voltage_figure(read_run(folder, ZONE, "small"))
    drawn = [
        [np.asarray(patch.get_data()[0]) for patch in ax.patches if isinstance(patch, StepPatch)]
        for ax in figure.axes
    ]
    unconstrained, _, low, _ = drawn[0]
    assert unconstrained == pytest.approx(rows.unconstrained_vm_min_pu.min().to_numpy())
    assert low == pytest.approx(rows.vm_min_pu.min().to_numpy())
    assert drawn[1][0] == pytest.approx(rows.active_contracts.sum().to_numpy())
    assert drawn[1][0].max() > 0
    for ax, side in ((2, "up"), (3, "down")):
        assert drawn[ax][0] == pytest.approx(rows[f"free_offer_{side}_kw"].sum().to_numpy())
        assert drawn[ax][-1] == pytest.approx(rows[f"offer_{side}_kw"].sum().to_numpy())
