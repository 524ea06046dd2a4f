from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tandem_sim.agents.strategies.allowed_code import AllowedCode
from tandem_sim.experiments.runs.scenario import parse_scenario
from tandem_sim.sim.assembly.agents import CreationOrder
from tandem_sim.sim.run import run
from tandem_sim.sim.scenario.scenario import Scenario

SMALL = Path(__file__).parent / "small.yaml"
HOURLY: dict[str, Any] = {"isp_minutes": 60, "power_flow_check": {"audit_share": 0.0}}
"""A day of 24 ISPs that are not solved again by ``runpp``, for what shows in those too."""
HALF_HOURLY: dict[str, Any] = {**HOURLY, "isp_minutes": 30}
"""The same with 48 ISPs: megawatts are not megawatt-hours, and steps from one ISP to the next are small."""


OWN_CODE = AllowedCode(("tests",))
"""Strategies of tests may be imported."""


def small_scenario(**overrides: Any) -> Scenario:
    return parse_scenario(SMALL.read_text(encoding="utf-8"), "small.yaml", overrides)


def hashes(folder: Path) -> dict[str, str]:
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.glob("*.parquet"))}


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Runs of the small scenario by its overrides, however they are written, each made once in a session."""
    made: dict[str, Path] = {}

    def make(creation_order: CreationOrder = list, label: str = "", **overrides: Any) -> Path:
        scenario = small_scenario(**overrides)
        key = f"{scenario.model_dump_json()} {label}"
        if key not in made:
            made[key] = tmp_path_factory.mktemp("run")
            run(scenario, None, made[key], allowed=OWN_CODE, creation_order=creation_order)
        return made[key]

    return make


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / f"{name}.parquet")
