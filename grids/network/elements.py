"""Loads, generators and storages of a net one by one, for those whose power follows a profile."""

from __future__ import annotations

from dataclasses import dataclass

from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.network.contents import live_rows, power_mw

SIGNS = {"load": -1.0, "sgen": 1.0, "storage": -1.0, "gen": 1.0}
"""Tables whose elements may follow a profile, with the sign of generation in their column p_mw."""


@dataclass(frozen=True, kw_only=True)
class Element:
    """One row of a table of `SIGNS`; `p_mw` has the sign of the table.

    `tan_phi` is reactive per active power, 0 for generators that hold a voltage and where p_mw is 0;
    `profile` the text of the net's column profile, as SimBench has one. `live`: in service, at a bus that is.
    """

    table: str
    index: int
    name: str
    bus: int
    p_mw: float
    tan_phi: float
    profile: str
    live: bool


def elements_of(net: pandapowerNet, table: str) -> list[Element]:
    """The elements of a table, in its order. The net has been checked (`tandem_sim.grids.network.checks`)."""
    rows = net[table]
    texts = {
        column: [text if isinstance(text, str) else "" for text in rows[column]]
        if column in rows
        else [""] * len(rows)
        for column in ("name", "profile")
    }
    p, q = rows.p_mw.tolist(), rows["q_mvar"].tolist() if "q_mvar" in rows else [0.0] * len(rows)
    return [
        Element(
            table=table,
            index=index,
            name=texts["name"][k],
            bus=int(bus),
            p_mw=float(power),
            tan_phi=q[k] / p[k] if table != "gen" and p[k] else 0.0,
            profile=texts["profile"][k],
            live=bool(live),
        )
        for k, (index, bus, power, live) in enumerate(
            zip(rows.index.tolist(), rows.bus, power_mw(net, table), live_rows(net, table), strict=True)
        )
    ]
