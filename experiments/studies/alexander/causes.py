"""Experiments on why the numbers differ from the published ones: one thing is varied, the rest kept."""

from __future__ import annotations

from dataclasses import replace

from tandem_sim.experiments.studies.alexander.cases import SHARED, TIGHT
from tandem_sim.experiments.studies.alexander.trials import FREE, Setting
from tandem_sim.markets.auctions.local_and_tso import FIXED, Interface

PRICED = Interface(price_eur_per_mwh=50.0, bound_mw=None)

_FIRST = (
    "multilevel-01",
    "multilevel-02",
    "multilevel-03",
    "multilevel-04",
    "multilevel-05",
    "multilevel-06",
)
_BLIND = ("multilevel-01", "multilevel-02", "multilevel-05")
_METHODS = ("multilevel-03", "multilevel-03/uniform", "multilevel-03/disqualify", "multilevel-04")

FIRST_MARKET = [
    Setting("first layer", name, TIGHT, ("A", "D"), _FIRST, rule)
    for name, rule in (("interface fixed", FIXED), ("priced at 50 EUR/MWh", PRICED), ("free", FREE))
]
SCARCITY = [
    Setting(
        "scarcity",
        f"{name}, {100 * share:g} % of the down bidders",
        replace(
            recipe, down_bidders=share * recipe.down_bidders, generator_bidders=share, locally_solvable=False
        ),
        ("A",),
        ("multilevel-01", "multilevel-05", "multilevel-06"),
    )
    for name, recipe in (("shared", SHARED), ("tight", TIGHT))
    for share in (1.0, 0.5, 0.25, 0.1)
]
SEVERITY = [
    Setting(
        "severity",
        f"overload {100 / share - 100:.0f} %",
        replace(SHARED, rating_share=share, locally_solvable=False),
        ("A",),
        ("multilevel-04", "multilevel-05"),
    )
    for share in (0.9, 0.7, 0.5, 0.366)
]
HEADROOM = [
    Setting(
        "headroom",
        f"{low:g} to {high:g} times the base flow",
        replace(SHARED, headroom=(low, high)),
        ("B", "C"),
        _BLIND,
    )
    for low, high in ((1.2, 2.2), (1.1, 1.6), (1.02, 1.3))
]
T_PAYS_MORE = replace(TIGHT, t_down_eur_per_mwh=(20.0, 25.0), d_down_eur_per_mwh=(10.0, 20.0))
WHO_PAYS_MORE = [
    Setting("who pays more", name, recipe, ("D",), _FIRST, FREE)
    for name, recipe in (
        ("all down bids at 10 to 25 EUR/MWh", TIGHT),
        ("transmission at 20 to 25, feeders at 10 to 20", T_PAYS_MORE),
    )
]
NEED = [
    Setting(
        "need",
        f"{need:g} MW",
        replace(T_PAYS_MORE, need_mw=need),
        ("D",),
        ("multilevel-01", "multilevel-05", "aggregation"),
        FREE,
    )
    for need in (32.0, 16.0, 8.0, 4.0, 2.0, 1.0)
]
STEP = [
    Setting("step", "shared", SHARED, schemes=tuple(f"aggregation/{mw:g}" for mw in (2.0, 1.0, 0.5, 0.25))),
]
VOLTAGE = [
    Setting("voltage", "lines bind (band 0.9 to 1.1)", SHARED, ("B",), _METHODS),
    Setting(
        "voltage",
        "voltage binds (root 1.04, band to 1.042)",
        replace(SHARED, overloaded_lines=0, generator_ratio=(2.0, 4.0), root_vm_pu=1.04, vm_max_pu=1.042),
        ("B",),
        _METHODS,
    ),
]
VOLUME = [
    Setting("volume", f"{v:g} times the feeders' bids", replace(SHARED, volume=v), ("B",), _METHODS)
    for v in (1.0, 3.0, 6.0)
]
ORDER = [
    Setting("order", name, replace(SHARED, volume=6.0, dearest_first=dearest_first), ("B",), _METHODS)
    for name, dearest_first in (("book by bus", False), ("dearest first", True))
]
BLOCKED = [
    Setting("blocked", name, recipe, ("B",), ("multilevel-03", "multilevel-06", "fragmented"))
    for name, recipe in (
        ("tight grids", TIGHT),
        (
            "voltage above its band in the base state",
            replace(SHARED, overloaded_lines=0, generator_ratio=(4.0, 6.0), root_vm_pu=1.04, vm_max_pu=1.042),
        ),
    )
]
CAUSES = (
    *FIRST_MARKET,
    *SCARCITY,
    *SEVERITY,
    *HEADROOM,
    *WHO_PAYS_MORE,
    *NEED,
    *STEP,
    *VOLTAGE,
    *VOLUME,
    *ORDER,
    *BLOCKED,
)
