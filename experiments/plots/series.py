"""Values per ISP that figures of several runs show, by kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tandem_sim.experiments.figures.system import LONG, SHORT, net_eur
from tandem_sim.experiments.plots.one.bidding import PANELS, all_sellers
from tandem_sim.experiments.plots.one.households import CLASS_LOOK, OTHERS, by_class
from tandem_sim.experiments.results.run_data import SOURCES, FloatArray, RunData
from tandem_sim.experiments.run_folder.conflicts import CONFLICTS
from tandem_sim.experiments.run_folder.tables import read_table
from tandem_sim.markets.settlement.payments import FOR_ENERGY

Daily = Literal["mean", "sum", "max", "min"]


@dataclass(frozen=True)
class RunSeries:
    """A value per ISP of a run with its title and unit; on a long horizon its `daily` statistic is shown."""

    title: str
    unit: str
    values: Callable[[RunData], FloatArray]
    daily: Daily = "mean"
    cumulative: bool = False


def _of_system(title: str, unit: str, column: str) -> RunSeries:
    return RunSeries(title, unit, lambda data: data.system[column].to_numpy(dtype=np.float64))


def _of_grid(name: str, title: str, unit: str, column: str, daily: Daily) -> RunSeries:
    def values(data: RunData) -> FloatArray:
        return np.asarray(data.grid_of(name)[column].to_numpy(dtype=np.float64))

    return RunSeries(f"{name}: {title}", unit, values, daily)


def _system(_: Sequence[RunData]) -> list[RunSeries]:
    def activated(direction: int) -> Callable[[RunData], FloatArray]:
        def values(data: RunData) -> FloatArray:
            mwh = data.energy_mwh[[(source, direction) for source in SOURCES]].to_numpy(dtype=np.float64)
            return np.asarray(mwh.sum(axis=1) / data.hours)

        return values

    return [
        _of_system("System imbalance before activation (surplus: positive)", "MW", "imbalance_before_mw"),
        _of_system("System imbalance after activation", "MW", "imbalance_after_mw"),
        RunSeries("Activated upwards", "MW", activated(1)),
        RunSeries("Activated downwards", "MW", activated(-1)),
    ]


def _prices(runs: Sequence[RunData]) -> list[RunSeries]:
    imbalance = [_of_system("Imbalance price", "EUR/MWh", SHORT)]
    if any(data.two_prices for data in runs):
        imbalance = [
            _of_system("Imbalance price, short pays", "EUR/MWh", SHORT),
            _of_system("Imbalance price, long receives", "EUR/MWh", LONG),
        ]
    return [
        *imbalance,
        _of_system("Day-ahead price", "EUR/MWh", "day_ahead_price_eur_per_mwh"),
    ]


def _limits(runs: Sequence[RunData]) -> list[RunSeries]:
    parts = (
        ("highest branch loading", "%", "max_loading_pct", "max"),
        ("lowest voltage", "p.u.", "vm_min_pu", "min"),
        ("highest voltage", "p.u.", "vm_max_pu", "max"),
    )
    return [_of_grid(name, *part) for name in _areas(runs) for part in parts]  # type: ignore[arg-type]


def _interface(runs: Sequence[RunData]) -> list[RunSeries]:
    return [
        _of_grid(name, "flow from transmission (negative: export)", "MW", "interface_mw", "mean")
        for name in _areas(runs)
    ]


def _areas(runs: Sequence[RunData]) -> list[str]:
    return list(dict.fromkeys(name for data in runs for name in data.distribution))


def _households(runs: Sequence[RunData]) -> list[RunSeries]:
    """The classes of every population, and others that a household of any run owns."""

    def of(device: str) -> Callable[[RunData], FloatArray]:
        return lambda data: np.asarray(by_class(data)[device].to_numpy(dtype=np.float64))

    owned = {device for data in runs for device in data.table("devices", ["isp", "device"]).device.unique()}
    looks = CLASS_LOOK | {device: look for device, look in OTHERS.items() if device in owned}
    return [RunSeries(f"{label}: injection", "MW", of(device)) for device, (_, label) in looks.items()]


def _state(_: Sequence[RunData]) -> list[RunSeries]:
    def power(column: str) -> Callable[[RunData], FloatArray]:
        return lambda data: data.system[column].to_numpy(dtype=np.float64) / data.hours

    return [
        _of_system("Batteries, mean state of charge", "0 to 1", "battery_soc"),
        RunSeries("EV charging", "MW", power("ev_charged_mwh")),
        _of_system("Indoor temperature, mean deviation from the set point", "K", "indoor_deviation_k"),
        RunSeries("Curtailed PV", "MW", power("curtailed_mwh")),
    ]


def _cost(_: Sequence[RunData]) -> list[RunSeries]:
    def bought(data: RunData) -> FloatArray:
        return data.amount_eur(data.settlement.kind.isin(FOR_ENERGY))

    title = "Procurement cost of energy, TSO and DSOs, cumulative"
    return [RunSeries(title, "EUR", bought, "sum", cumulative=True)]


def _money(runs: Sequence[RunData]) -> list[RunSeries]:
    def receipts(group: str) -> Callable[[RunData], FloatArray]:
        def values(data: RunData) -> FloatArray:
            net = net_eur(data)
            none = np.zeros(len(data.system))
            return np.asarray(net[group].to_numpy(dtype=np.float64)) if group in net else none

        return values

    groups = dict.fromkeys(str(name) for data in runs for name in net_eur(data))
    return [
        RunSeries(f"{name}: net receipts, cumulative".replace("\n", " "), "EUR", receipts(name), "sum", True)
        for name in groups
    ]


def _conflicts(_: Sequence[RunData]) -> list[RunSeries]:
    def energy(column: str) -> Callable[[RunData], FloatArray]:
        def values(data: RunData) -> FloatArray:
            rows = read_table(data.folder, CONFLICTS.removesuffix(".parquet"))
            sums = rows.groupby("isp")[column].sum()
            return np.asarray(sums.reindex(data.system.isp, fill_value=0.0).to_numpy(dtype=np.float64))

        return values

    return [
        RunSeries("Bought by DSOs, cumulative", "MWh", energy("bought_mwh"), "sum", True),
        RunSeries(
            "Of it undone by the TSO at the same node", "MWh", energy("undone_at_node_mwh"), "sum", True
        ),
        RunSeries("Of it undone on the same unit", "MWh", energy("undone_on_unit_mwh"), "sum", True),
    ]


def _bidding(_: Sequence[RunData]) -> list[RunSeries]:
    def of(column: str) -> Callable[[RunData], FloatArray]:
        return lambda data: (
            np.nan_to_num(all_sellers(data, column)) if "eur" in column[-4:] else all_sellers(data, column)
        )

    units = {"markup_eur_per_mwh": "EUR/MWh", "offered_mw": "MW", "sold_pct": "%", "profit_eur": "EUR"}
    return [
        RunSeries(
            f"All sellers. {title}",
            units[column],
            of(column),
            "sum" if column == "profit_eur" else "mean",
            column == "profit_eur",
        )
        for column, title, _ in PANELS
    ]


def _low_voltage(_: Sequence[RunData]) -> list[RunSeries]:
    def of(column: str, how: str) -> Callable[[RunData], FloatArray]:
        def values(data: RunData) -> FloatArray:
            by_isp = data.low_voltage.groupby("isp")[column].agg(how)
            return np.asarray(by_isp.reindex(data.system.isp).to_numpy(dtype=np.float64))

        return values

    return [
        RunSeries("Lowest voltage on LV feeders", "p.u.", of("vm_min_pu", "min"), "min"),
        RunSeries("Highest voltage on LV feeders", "p.u.", of("vm_max_pu", "max"), "max"),
        RunSeries("Contracts limited", "number", of("active_contracts", "sum")),
    ]


SERIES: dict[str, Callable[[Sequence[RunData]], list[RunSeries]]] = {
    "system": _system,
    "prices": _prices,
    "limits": _limits,
    "interface": _interface,
    "households": _households,
    "state": _state,
    "cost": _cost,
    "money": _money,
    "conflicts": _conflicts,
    "bidding": _bidding,
    "low-voltage": _low_voltage,
}
"""By kind: what several runs have in common."""
