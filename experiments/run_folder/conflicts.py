"""Conflicts between operators, and the sales of each unit by buyer, from the table `activations` alone.

Let ``b_o^d`` be the MWh that operator ``o`` buys in direction ``d`` at one place in one ISP. The energy that
operators ``A`` and ``B`` undo of each other there is

    min(b_A^up, b_B^down) + min(b_A^down, b_B^up)

The first term is the part of ``A``'s purchases up that ``B`` undoes, the second that of ``A``'s purchases
down. A place is a node of a system, or a unit: the device group, generator or load that bids are named after.
Energy undone on a unit is also undone at its node, but not the reverse. Its cost for ``A`` and ``B`` together
is the mean price of the bids up less that of the bids down, times the MWh: both pay, and the injection of the
node does not change. A negative cost is a gain. Prices are those of the bids under every pricing rule.

A round trip is a unit that sells up and down in one ISP, to any buyers. Round trips do not count the
automatic reserve, whose controller goes up and down within an ISP by design. These are Tandem's own
definitions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tandem_sim.markets.coordination.block import Scheme
from tandem_sim.markets.coordination.description import SchemeDescription
from tandem_sim.markets.orders.flexibility_register import unit_of
from tandem_sim.markets.settlement.payments import RESERVE
from tandem_sim.sim.assembly.agents import TSO_NAME
from tandem_sim.sim.output.columns import about, common, count, real, text
from tandem_sim.sim.settlement.accounts import buyer_of_market

CONFLICTS, UNITS = "conflicts.parquet", "units.parquet"
SERVICES = ("local", "mfrr", "afrr")
"""Services of a unit: sales to its DSO, to the TSO's markets, to the TSO's automatic reserve."""

NODE = ("system", "node")
UNIT = (*NODE, "provider", "unit")
READ = ["time", "isp", *UNIT[:-1], "market", "bid_id", "direction", "quantity_mw", "price_eur_per_mwh"]

CONFLICTS_ABOUT = about(
    "One row per ISP, node and direction in which a DSO buys, units summed over the node. Empty where no DSO "
    "buys.",
    text("operator", "the DSO"),
    common("system"),
    common("node"),
    common("direction"),
    real("bought_mwh", "what it buys there"),
    real("undone_at_node_mwh", "what the TSO undoes of it at the node"),
    real("undone_at_node_eur", "its cost to both"),
    real("undone_on_unit_mwh", "what the TSO undoes of it on the same unit"),
    real("undone_on_unit_eur", "its cost to both"),
    needed="key figures, figures",
)
UNITS_ABOUT = about(
    "One row per unit that sold anything, over the complete run (no `time`, no `isp`).",
    common("system"),
    common("node"),
    common("provider"),
    text("unit", "the unit"),
    real("local_mwh", "energy sold to its DSO"),
    real("mfrr_mwh", "energy sold to the TSO, aFRR aside"),
    real("afrr_mwh", "aFRR energy sold"),
    real("local_revenue_eur", "revenue from its DSO at the prices of its bids"),
    real("mfrr_revenue_eur", "revenue from the TSO, aFRR aside, at the prices of its bids"),
    real("afrr_revenue_eur", "revenue from aFRR at the prices of its bids"),
    count("round_trips", "ISPs in which it sold both directions, whoever bought, aFRR aside"),
    real("round_trip_mwh", "the smaller direction of each"),
    needed="key figures",
    timed=False,
)
CONFLICT_SCHEMA, UNIT_SCHEMA = CONFLICTS_ABOUT.schema, UNITS_ABOUT.schema


def trades_of(activations: pd.DataFrame, buyer_of: Mapping[str, str], hours: float) -> pd.DataFrame:
    """Rows of `activations` with who bought them, of which unit and as which service.

    `buyer_of` maps a market to the party that pays for it; `hours` is the length of an ISP. Columns: ``isp``,
    those of `UNIT`, ``operator``, ``service``, ``direction`` (1 up, -1 down), ``mwh`` (positive) and ``eur``
    (what the buyer pays at the price of the bid; negative where the seller pays).
    """
    local = activations.market.map(buyer_of) == "dso"
    mwh = activations.quantity_mw * hours
    units = {bid: unit_of(bid) for bid in activations.bid_id.unique()}
    other = np.where(activations.market == RESERVE, "afrr", "mfrr")
    return activations[["isp", *NODE, "provider", "direction"]].assign(
        unit=activations.bid_id.map(units),
        operator=("DSO-" + activations.system).where(local, TSO_NAME),
        service=np.where(local, "local", other),
        mwh=mwh,
        eur=activations.direction * activations.price_eur_per_mwh * mwh,
    )


def undone(trades: pd.DataFrame, place: Sequence[str]) -> pd.DataFrame:
    """Purchases of every operator at every place, and the part that others undo, by the formula at the top.

    `trades` as from `trades_of`; `place` are the columns that identify a place. A row per ISP, place,
    operator and direction: ``mwh``, ``eur`` (bought), ``undone_mwh``, ``undone_eur`` (sums over all other
    operators).
    """
    keys = ["isp", *place, "operator", "direction"]
    bought = trades.groupby(keys)[["mwh", "eur"]].sum().reset_index()
    against = bought.assign(direction=-bought.direction)
    pairs = bought.merge(against, on=["isp", *place, "direction"], suffixes=("", "_other"))
    pairs = pairs[pairs.operator != pairs.operator_other]
    both = pairs[["mwh", "mwh_other"]].min(axis=1)
    prices = pairs.eur / pairs.mwh + pairs.eur_other / pairs.mwh_other
    sums = pairs.assign(undone_mwh=both, undone_eur=both * prices).groupby(keys)
    found = bought.join(sums[["undone_mwh", "undone_eur"]].sum(), on=keys)
    return found.fillna({"undone_mwh": 0.0, "undone_eur": 0.0})


def conflicts(trades: pd.DataFrame) -> pd.DataFrame:
    """A row per ISP, node and direction in which a DSO buys: the columns of `CONFLICT_SCHEMA` but `time`."""
    places = trades.loc[trades.operator != TSO_NAME, ["isp", *NODE]].drop_duplicates()
    around = trades.merge(places, on=["isp", *NODE])  # all trades at the nodes at which a DSO buys
    keys = ["isp", "operator", *NODE, "direction"]
    at_node = undone(around, NODE).set_index(keys)
    on_unit = undone(around, UNIT).groupby(keys)[["undone_mwh", "undone_eur"]].sum()
    found = pd.DataFrame(
        {
            "bought_mwh": at_node.mwh,
            "undone_at_node_mwh": at_node.undone_mwh,
            "undone_at_node_eur": at_node.undone_eur,
            "undone_on_unit_mwh": on_unit.undone_mwh,
            "undone_on_unit_eur": on_unit.undone_eur,
        }
    ).reset_index()
    return found[found.operator != TSO_NAME].reset_index(drop=True)


def units(trades: pd.DataFrame) -> pd.DataFrame:
    """A row per unit that sold anything: the columns of `UNIT_SCHEMA`.

    Revenue is the payment to a unit at the prices of its bids. Awards for which the unit pays (down bids at a
    positive price) are not revenue and are not deducted from it.
    """
    by_service = (
        trades.assign(revenue_eur=trades.eur.clip(lower=0.0))
        .groupby([*UNIT, "service"])[["mwh", "revenue_eur"]]
        .sum()
        .unstack("service")
    )
    found = pd.DataFrame(index=by_service.index)
    for what in ("mwh", "revenue_eur"):
        for service in SERVICES:
            sums = by_service.get((what, service), pd.Series(0.0, by_service.index))
            found[f"{service}_{what}"] = sums.fillna(0.0)
    market = trades[trades.service != "afrr"].groupby(["isp", *UNIT, "direction"]).mwh.sum()
    ways = market.unstack("direction").reindex(columns=[1, -1]).fillna(0.0).min(axis=1)
    trips = ways[ways > 0.0].groupby(list(UNIT)).agg(["size", "sum"])
    found["round_trips"] = trips["size"].reindex(found.index, fill_value=0)
    found["round_trip_mwh"] = trips["sum"].reindex(found.index, fill_value=0.0)
    return found.reset_index()


def write_conflicts(run: Path, scheme: Scheme | SchemeDescription, hours: float) -> None:
    """Compute both tables of a run folder from its `activations`, ISP by ISP, and write them there."""
    buyer_of, conflict_parts, unit_parts = buyer_of_market(scheme), [], []
    for rows in _whole_isps(run / "activations.parquet"):
        trades = trades_of(rows, buyer_of, hours)
        found = conflicts(trades)
        found["time"] = found.isp.map(rows.groupby("isp").time.first())
        conflict_parts.append(_table(found, CONFLICT_SCHEMA))
        unit_parts.append(_table(units(trades), UNIT_SCHEMA))
    sold = pa.concat_tables(unit_parts).to_pandas().groupby(list(UNIT)).sum().reset_index()
    pq.write_table(pa.concat_tables(conflict_parts), run / CONFLICTS, compression="zstd")
    pq.write_table(_table(sold, UNIT_SCHEMA), run / UNITS, compression="zstd")


def _whole_isps(path: Path) -> Iterator[pd.DataFrame]:
    """Rows of a table group by group, since a year has millions; rows are in order, and no ISP is divided."""
    file = pq.ParquetFile(path)
    rest = file.schema_arrow.empty_table().select(READ)
    for group in range(file.num_row_groups):
        table = pa.concat_tables([rest, file.read_row_group(group, READ)])
        rows = table.to_pandas()
        whole = int((rows.isp < rows.isp.max()).sum())
        rest = table.slice(whole)
        yield rows.iloc[:whole]
    yield rest.to_pandas()


def _table(frame: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pandas(frame, schema, preserve_index=False).cast(schema)
