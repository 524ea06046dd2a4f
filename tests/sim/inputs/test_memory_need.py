"""A scenario that this machine cannot hold is refused before its model is built, and the field is named."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from tandem_sim.grids.errors import InputError
from tandem_sim.sim.inputs import memory_need
from tandem_sim.sim.inputs.memory_need import (
    PER_HOUSEHOLD,
    PER_ISP,
    check_memory,
    machine_bytes,
    needed_bytes,
)
from tandem_sim.sim.model import FlexibilityModel
from tests.sim.conftest import small_scenario

MIB = 1 << 20


def _peak(folder: Path, **changes: Any) -> int:
    """Most bytes that Python objects and arrays take while a model is built."""
    tracemalloc.start()
    try:
        FlexibilityModel(small_scenario(**changes), None, folder)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_household_takes_no_more_than_is_counted(tmp_path: Path) -> None:
    """Nor much less: 1 to 4 times what it takes is counted, for a run adds to what building takes."""
    _peak(tmp_path / "first")  # grids and profiles that are read once
    few, many = (_peak(tmp_path / str(n), households=n) for n in (2000, 22_000))
    assert 0.25 * PER_HOUSEHOLD < (many - few) / 20_000 <= PER_HOUSEHOLD


def test_an_isp_takes_no_more_than_is_counted(tmp_path: Path) -> None:
    """24 and 2400 hours."""
    _peak(tmp_path / "first", isp_minutes=60)
    few, many = (_peak(tmp_path / str(n), days=n, isp_minutes=60) for n in (1, 100))
    assert 0.1 * PER_ISP < (many - few) / (99 * 24) <= PER_ISP + 2 * 8 * 14  # 14 buses


def test_a_scenario_too_large_names_the_field_that_makes_it_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million households at 1500 B: 1.4 GiB, beside 0.6 GiB that every run takes."""
    monkeypatch.setattr(memory_need, "machine_bytes", lambda: 1 << 30)
    check_memory(small_scenario(), 48, 14, 96)
    with pytest.raises(InputError) as found:
        check_memory(small_scenario(households=1_000_000), 48, 14, 96)
    assert found.value.field == "households"
    assert "would need about 2.0 GiB" in found.value.problem
    assert "there are 1.0 GiB" in found.value.problem
    monkeypatch.setattr(memory_need, "machine_bytes", lambda: None)
    check_memory(small_scenario(households=1_000_000), 48, 14, 96)


def test_a_world_too_large_is_not_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory_need, "machine_bytes", lambda: 64 * MIB)
    with pytest.raises(InputError, match="GiB of memory"):
        FlexibilityModel(small_scenario(), None, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_portfolios_are_no_more_than_households() -> None:
    scenario = small_scenario(aggregators=1000, aggregators_per_bus=1000)
    assert needed_bytes(scenario, 48, 14, 96)["aggregators_per_bus"] == 400 * memory_need.PER_PORTFOLIO


def test_the_limit_of_a_container_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "memory.max").write_text("max\n", encoding="ascii")
    (tmp_path / "memory.max").write_text(f"{64 * MIB}\n", encoding="ascii")
    whole = machine_bytes()
    assert whole is None or whole > 64 * MIB
    files = [tmp_path / "own" / "memory.max", tmp_path / "memory.max", tmp_path / "none"]
    monkeypatch.setattr(memory_need, "_limit_files", lambda: iter(files))
    assert machine_bytes() == 64 * MIB
