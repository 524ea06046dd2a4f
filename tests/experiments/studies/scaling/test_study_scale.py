"""The study of scale on two DSOs and a few hundred households."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.experiments.studies.scaling import scale, scale_parallel
from tandem_sim.experiments.studies.scaling.scale_world import WorldSize, write_worlds
from tandem_sim.sim.run import start

SMALL = (
    WorldSize(dsos=1, households=100, aggregators=3, isps=10),
    WorldSize(dsos=2, households=200, aggregators=3, isps=10),
    WorldSize(dsos=2, households=100, aggregators=3, isps=10),
    WorldSize(dsos=2, households=200, aggregators=6, isps=10),
    WorldSize(dsos=2, households=200, aggregators=3, load_scale=2.0, isps=10),
)
TWENTY = WorldSize(dsos=20, households=2000, aggregators=5)


def _here(work: Callable[..., Any], *given: Any) -> Any:
    return work(*given)


@pytest.fixture(scope="module")
def grids(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[str]]]:
    """A folder with the worlds of all tests, and the lines opened: cut once."""
    folder = tmp_path_factory.mktemp("worlds") / "grids"
    return folder, write_worlds(folder, [*SMALL, TWENTY])


def _threads(workers: int, mp_context: BaseContext) -> Executor:
    return ThreadPoolExecutor(workers)


@pytest.mark.parametrize(
    "pool",
    [
        pytest.param(_threads, id="threads"),
        pytest.param(
            ProcessPoolExecutor,
            id="processes",
            marks=pytest.mark.long("four processes import everything: jobs do reach another process"),
        ),
    ],
)
def test_tables_and_figure_of_a_small_study(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    grids: tuple[Path, dict[str, list[str]]],
    pool: Callable[..., Executor],
) -> None:
    def written(folder: Path, points: Sequence[WorldSize]) -> dict[str, list[str]]:
        assert (folder, points) == (grids[0], SMALL)
        return grids[1]

    monkeypatch.setattr(scale, "POINTS", SMALL)
    monkeypatch.setattr(scale, "FULL", SMALL[1])
    monkeypatch.setattr(scale, "LOADED", SMALL[4])
    monkeypatch.setattr(scale, "REPEATS", 1)
    monkeypatch.setattr(scale, "alone", _here)
    monkeypatch.setattr(scale, "write_worlds", written)
    monkeypatch.setattr(scale, "problems", partial(scale_parallel.problems, isp=6))
    monkeypatch.setattr(scale_parallel, "REPEATS", 2)
    monkeypatch.setattr(scale_parallel, "ProcessPoolExecutor", pool)
    scale.main(tmp_path, grids[0])
    rows = pd.read_csv(tmp_path / "scale.csv")
    assert rows[["dsos", "households", "aggregators"]].to_numpy().tolist() == [
        [1, 100, 3], [2, 200, 3], [2, 100, 3], [2, 200, 6], [2, 200, 3]
    ]  # fmt: skip
    assert rows.buses.tolist() == [97, 217, 217, 217, 217]
    parts = rows[[f"{part}_ms" for part in scale.PARTS]]
    assert (parts > 0.0).all(axis=None)
    assert (parts.sum(axis=1) < 1.05 * rows.isp_cpu_ms_mean).all()
    assert (rows[["build_cpu_s", "isp_cpu_ms", "max_rss_mib", "power_flow_ms"]] > 0.0).all(axis=None)
    assert (rows.converged_pct == 100.0).all()
    sent = pd.read_csv(tmp_path / "scale_parallel.csv")
    assert sent.gate.tolist() == 2 * ["dso_clear", "forward", "prequalify"]
    assert (sent.programmes == 2).all()
    assert (sent.drop(columns="gate") > 0.0).all(axis=None)
    assert (tmp_path / "scale.png").stat().st_size > 10_000


def test_twenty_dsos_stand_where_the_data_have_load(
    tmp_path: Path, grids: tuple[Path, dict[str, list[str]]]
) -> None:
    scenario, folder = read_scenario(
        str(grids[0] / f"{TWENTY.scenario}.yaml"),
        {
            "households": TWENTY.households,
            "aggregators": TWENTY.aggregators,
            "power_flow_check.audit_share": 1.0,
            "isp_minutes": 60,
        },
    )
    assert {name: len(lines) for name, lines in grids[1].items()} == {
        "MV3.101": 2,
        "MV3.102": 2,
        "MV3.103": 2,
        "MV4.101": 1,
    }
    assert len({area.interface_bus for area in scenario.distribution}) == 20
    assert len({area.grid for area in scenario.distribution}) == 15
    assert [area.grid for area in scenario.distribution[15:]] == [
        area.grid for area in scenario.distribution[:5]
    ]
    assert scenario.households == 2000
    world = start(scenario, folder, tmp_path / "out")
    world.run_through(world.calendar.seconds(0))  # every state solved again by the reference power flow
    assert world.transmission.p_mw.sum() == pytest.approx(-(116.1405 - 5 * 3.3183), abs=1e-3)
    world.recorder.close()
