"""The page on data of one's own: its snippets run as they are, one after the other, in an empty folder."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd

from tests.pages import ROOT, Page

PAGE = ROOT / "docs" / "own_data.md"


def test_commands_of_the_page_run(tmp_path: Path) -> None:
    said = list(Page(PAGE, tmp_path).run().said.values())
    assert "follows a profile of the scenario" in " ".join(said[0].split())
    assert re.search(r"wind +MW +2021-02-28 23:00", said[0])
    kpis = json.loads((tmp_path / "runs" / "priced" / "kpis.json").read_text(encoding="utf-8"))
    assert (kpis["day_ahead_price_given"], kpis["imbalance_price_given"]) == (1, 0)
    price = pd.read_parquet(tmp_path / "runs" / "priced" / "system.parquet").day_ahead_price_eur_per_mwh
    np.testing.assert_allclose(price.iloc[::4], pd.read_csv(tmp_path / "own.csv").price.iloc[:48], rtol=1e-12)
    assert "section 4" in said[2]  # 11 MW on a cable of 9.4 MVA


def test_keys_of_the_page_are_those_of_the_schema() -> None:
    from tandem_sim.sim.scenario.series_sections import ProfileSettings

    rows = re.findall(r"^\| (`.*?) \|", PAGE.read_text(encoding="utf-8").split("### Times")[0], re.MULTILINE)
    named = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert set(ProfileSettings.model_fields) - {"resolution"} <= named
