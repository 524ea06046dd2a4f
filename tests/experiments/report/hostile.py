"""A run folder of a stranger: HTML in every text, and numbers of absurd size."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd

from tandem_sim.experiments.run_folder.manifest import digests_of

ATTACK = "</script><img src=x onerror=alert(1)>"


def make_hostile(run: Path, folder: Path, *, huge: bool = False) -> None:
    """Copy a run into `folder`, with `ATTACK` for its names; `huge`: and with huge numbers."""
    shutil.copytree(run, folder)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["scenario"]["name"] = manifest["scenario"]["description"] = ATTACK
    manifest["notes"] = [ATTACK]
    manifest["provenance"]["versions"][ATTACK] = ATTACK
    named = {
        "branches": {"name": ATTACK, "element": ATTACK},
        "buses": {"name": ATTACK},
        "settlement": {"payee": ATTACK, "kind": ATTACK},
    }
    for table, columns in named.items():
        frame = pd.read_parquet(folder / f"{table}.parquet")
        for column, text in columns.items():
            rows = 0 if table == "settlement" else slice(None)
            frame.loc[rows, column] = text
        frame.to_parquet(folder / f"{table}.parquet", index=False)
    kpis = json.loads((folder / "kpis.json").read_text(encoding="utf-8"))
    kpis[ATTACK] = 1.0
    if huge:
        kpis["procurement_cost_eur"] = 1.7e308
        for table, column in (
            ("branch_loading", "loading_pct"),
            ("system", "day_ahead_price_eur_per_mwh"),
            ("settlement", "amount_eur"),
        ):
            frame = pd.read_parquet(folder / f"{table}.parquet")
            frame.loc[frame.index[-1], column] = 3e38
            frame.to_parquet(folder / f"{table}.parquet", index=False)
    (folder / "kpis.json").write_text(json.dumps(kpis), encoding="utf-8")
    manifest["files"] = digests_of(folder)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
