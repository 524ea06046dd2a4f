"""Limits of single bids in runs: they are bids of the book, and their sums are those of `bid_checks`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tandem_sim.grids.errors import AuditError
from tandem_sim.sim.output.tables import schema
from tandem_sim.sim.settlement.reconcile import reconcile
from tests.sim.conftest import HOURLY, table
from tests.sim.test_run_schemes import TIGHT

Runs = Callable[..., Path]
READ = ("clearings", "activations", "sellers", "settlement", "system", "reserve_volumes", "bid_checks")


@pytest.mark.parametrize("scheme", ["multilevel-03", "hybrid"])
def test_rows_are_bids_of_the_book_that_fall(small_run: Runs, scheme: str) -> None:
    run = small_run(scheme=scheme, distribution=TIGHT, **HOURLY)
    limits, bids = table(run, "bid_limits"), table(run, "bids")
    assert len(limits) > 20
    assert set(limits.reason) <= {"grid", "sold"}
    assert (limits.allowed_mw < limits.offered_mw).all()
    key = ["isp", "system", "bid_id"]
    joined = limits.merge(bids, on=[*key, "provider", "direction"], validate="many_to_one")
    assert len(joined) == len(limits)
    assert (joined.offered_mw <= joined.quantity_mw + 1e-9).all()
    after = limits.groupby(key).allowed_mw.shift()  # a later block begins with what the earlier one left
    assert (limits.offered_mw[after.notna()] == after[after.notna()]).all()
    # What the TSO bought lies within the last limit.
    sold = table(run, "activations").query("market == 'tso_market'").groupby(key).quantity_mw.sum()
    last = limits.groupby(key).allowed_mw.last()
    assert (sold.reindex(last.index, fill_value=0.0) <= last + 1e-6).all()


def _changed(run: Path, folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    for name in READ:
        shutil.copy(run / f"{name}.parquet", folder)
    made = pa.Table.from_pandas(change(table(run, "bid_limits")), schema("bid_limits"), preserve_index=False)
    pq.write_table(made, folder / "bid_limits.parquet")
    return folder


def test_limits_that_do_not_add_up_to_the_checks_are_found(small_run: Runs, tmp_path: Path) -> None:
    run = small_run(scheme="multilevel-03", distribution=TIGHT, **HOURLY)
    reconcile(_changed(run, tmp_path, lambda rows: rows), 1.0)
    with pytest.raises(AuditError, match=r"ISP \d+, \w+, D1.*of bid_checks is .*of bid_limits is"):
        reconcile(_changed(run, tmp_path, lambda rows: rows[1:]), 1.0)
    more = table(run, "bid_limits").index == 3
    with pytest.raises(AuditError, match="of bid_limits"):
        reconcile(
            _changed(run, tmp_path, lambda rows: rows.assign(allowed_mw=rows.allowed_mw - 0.01 * more)), 1.0
        )
