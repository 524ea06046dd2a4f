"""What is modelled of a pandapower net, table by table, so that nothing is left out silently."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.types import BoolArray, FloatArray

Use = Literal["modelled", "off", "left out", "assumed"]

REFUSED = (
    "dcline",
    "svc",
    "tcsc",
    "ssc",
    "vsc",
    "vsc_stacked",
    "vsc_bipolar",
    "line_dc",
    "source_dc",
    "load_dc",
)
"""Tables of controlled and direct-current elements: a net with one of them in service is refused."""

MODELLED: Mapping[str, str] = {
    "bus": "nodes; closed switches without impedance join buses",
    "ext_grid": "the slack, which holds the voltage of the root",
    "line": "pi model",
    "trafo": "pi model with ratio, phase shift and iron losses",
    "trafo3w": "three branches that meet in a star point",
    "impedance": "series impedance",
    "switch": "closed ones join buses, or are branches of their impedance; open ones cut",
    "load": "constant power",
    "sgen": "constant power",
    "storage": "constant power",
    "motor": "constant power at its loading",
    "asymmetric_load": "constant power, its phases taken together",
    "asymmetric_sgen": "constant power, its phases taken together",
    "gen": "constant active power, and it holds the voltage of its bus",
    "shunt": "constant admittance",
    "ward": "constant power and constant admittance",
    "xward": "constant power, constant admittance, and a voltage source behind an impedance",
}
"""Tables that are modelled, and how."""


@dataclass(frozen=True, kw_only=True)
class Content:
    """Rows of one table of a net, and how they are used."""

    table: str
    count: int
    p_mw: float  # active power, with the sign of the table; nan if rows have none
    use: Use
    how: str

    def as_row(self) -> dict[str, str | int | float | None]:
        """The same by column, for tables and manifests; None instead of nan."""
        p_mw = None if np.isnan(self.p_mw) else round(self.p_mw, 6)
        return {"table": self.table, "count": self.count, "p_mw": p_mw, "use": self.use, "how": self.how}


PROFILED = "follows a profile of the scenario, and sells nothing"


def contents_of(
    net: pandapowerNet, left_out: Mapping[str, str], profiled: Mapping[str, Sequence[int]]
) -> tuple[Content, ...]:
    """Every table of a net that has rows: modelled, off, or left out, with rows and MW.

    `left_out` gives tables that the caller does not use, with the reason, `profiled` the index of elements
    that follow a profile. The net has passed
    `tandem_sim.grids.network.checks.check_net`.
    """
    found = []
    tables = [*MODELLED, *sorted(table for table in _tables(net) if table not in MODELLED)]
    for table in tables:
        if table not in net or not len(net[table]):
            continue
        rows = net[table]
        if table not in MODELLED:
            how = "out of service" if table in REFUSED else "neither power flow nor markets use it"
            found.append(
                Content(
                    table=table,
                    count=len(rows),
                    p_mw=np.nan,
                    use="off" if table in REFUSED else "left out",
                    how=how,
                )
            )
            continue
        live, p_mw = live_rows(net, table), power_mw(net, table)
        follows = np.asarray(rows.index.isin(profiled.get(table, ())))
        rest = live & ~follows
        kinds: tuple[tuple[BoolArray, Use, str], ...] = (
            (rest, "left out", left_out[table]) if table in left_out else (rest, "modelled", MODELLED[table]),
            (live & follows, "modelled", PROFILED),
            (~live, "off", "out of service, or at a bus that is"),
        )
        found += [
            Content(table=table, count=int(which.sum()), p_mw=float(p_mw[which].sum()), use=use, how=how)
            for which, use, how in kinds
            if which.any()
        ]
    return tuple(found)


def live_rows(net: pandapowerNet, table: str) -> BoolArray:
    """Rows in service at a bus in service; of switches and branches only their own column counts."""
    rows = net[table]
    live = rows["in_service"].to_numpy(dtype=bool) if "in_service" in rows else np.ones(len(rows), dtype=bool)
    if "bus" in rows and table != "switch":
        live &= net.bus.in_service.loc[rows.bus].to_numpy(dtype=bool)
    return live


def power_mw(net: pandapowerNet, table: str) -> FloatArray:
    """Active power of every row of a table, MW with the sign of the table; nan for rows without power.

    Admittances count at the voltage for which their power is given.
    """
    rows = net[table]
    power = _POWER.get(table)
    return np.full(len(rows), np.nan) if power is None else np.asarray(power(rows), dtype=np.float64)


def _scaled(rows: pd.DataFrame) -> pd.Series[float]:
    return rows.p_mw * _scaling(rows)


def _scaling(rows: pd.DataFrame) -> pd.Series[float] | float:
    return rows.scaling.fillna(1.0) if "scaling" in rows else 1.0


def _phases(rows: pd.DataFrame) -> pd.Series[float]:
    return (rows.p_a_mw + rows.p_b_mw + rows.p_c_mw) * _scaling(rows)


def _motor(rows: pd.DataFrame) -> pd.Series[float]:
    return rows.pn_mech_mw / rows.efficiency_percent * rows.loading_percent * _scaling(rows)


_POWER: Mapping[str, Callable[[pd.DataFrame], pd.Series[float]]] = {
    "load": _scaled,
    "sgen": _scaled,
    "storage": _scaled,
    "gen": _scaled,
    "asymmetric_load": _phases,
    "asymmetric_sgen": _phases,
    "motor": _motor,
    "shunt": lambda rows: rows.p_mw * rows.step,
    "ward": lambda rows: rows.ps_mw + rows.pz_mw,
    "xward": lambda rows: rows.ps_mw + rows.pz_mw,
}


def _tables(net: pandapowerNet) -> Iterable[str]:
    """Names of the tables of a net that hold data of its own, not results."""
    return (
        key
        for key, rows in net.items()
        if isinstance(rows, pd.DataFrame) and not key.startswith(("res_", "_"))
    )
