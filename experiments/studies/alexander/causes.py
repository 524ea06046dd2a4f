"""Experiments on why the numbers differ from the published ones: one parameter is varied at a time."""

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
    Setting(
        study="first layer", label=name, recipe=TIGHT, kinds=("A", "D"), schemes=_FIRST, first_market=rule
    )
    for name, rule in (("interface fixed", FIXED), ("priced at 50 EUR/MWh", PRICED), ("free", FREE))
]
SCARCITY = [
    Setting(
        study="scarcity",
        label=f"{name}, {100 * share:g} % of the down bidders",
        recipe=replace(
            recipe, down_bidders=share * recipe.down_bidders, generator_bidders=share, locally_solvable=False
        ),
        kinds=("A",),
        schemes=("multilevel-01", "multilevel-05", "multilevel-06"),
    )
    for name, recipe in (("shared", SHARED), ("tight", TIGHT))
    for share in (1.0, 0.5, 0.25, 0.1)
]
SEVERITY = [
    Setting(
        study="severity",
        label=f"overload {100 / share - 100:.0f} %",
        recipe=replace(SHARED, rating_share=share, locally_solvable=False),
        kinds=("A",),
        schemes=("multilevel-04", "multilevel-05"),
    )
    for share in (0.9, 0.7, 0.5, 0.366)
]
HEADROOM = [
    Setting(
        study="headroom",
        label=f"{low:g} to {high:g} times the base flow",
        recipe=replace(SHARED, headroom=(low, high)),
        kinds=("B", "C"),
        schemes=_BLIND,
    )
    for low, high in ((1.2, 2.2), (1.1, 1.6), (1.02, 1.3))
]
T_PAYS_MORE = replace(TIGHT, t_down_eur_per_mwh=(20.0, 25.0), d_down_eur_per_mwh=(10.0, 20.0))
WHO_PAYS_MORE = [
    Setting(study="who pays more", label=name, recipe=recipe, kinds=("D",), schemes=_FIRST, first_market=FREE)
    for name, recipe in (
        ("all down bids at 10 to 25 EUR/MWh", TIGHT),
        ("transmission at 20 to 25, feeders at 10 to 20", T_PAYS_MORE),
    )
]
NEED = [
    Setting(
        study="need",
        label=f"{need:g} MW",
        recipe=replace(T_PAYS_MORE, need_mw=need),
        kinds=("D",),
        schemes=("multilevel-01", "multilevel-05", "aggregation"),
        first_market=FREE,
    )
    for need in (32.0, 16.0, 8.0, 4.0, 2.0, 1.0)
]
STEP = [
    Setting(
        study="step",
        label="shared",
        recipe=SHARED,
        schemes=tuple(f"aggregation/{mw:g}" for mw in (2.0, 1.0, 0.5, 0.25)),
    ),
]
VOLTAGE = [
    Setting(
        study="voltage", label="lines bind (band 0.9 to 1.1)", recipe=SHARED, kinds=("B",), schemes=_METHODS
    ),
    Setting(
        study="voltage",
        label="voltage binds (root 1.04, band to 1.042)",
        recipe=replace(
            SHARED, overloaded_lines=0, generator_ratio=(2.0, 4.0), root_vm_pu=1.04, vm_max_pu=1.042
        ),
        kinds=("B",),
        schemes=_METHODS,
    ),
]
VOLUME = [
    Setting(
        study="volume",
        label=f"{v:g} times the feeders' bids",
        recipe=replace(SHARED, volume=v),
        kinds=("B",),
        schemes=_METHODS,
    )
    for v in (1.0, 3.0, 6.0)
]
ORDER = [
    Setting(
        study="order",
        label=name,
        recipe=replace(SHARED, volume=6.0, dearest_first=dearest_first),
        kinds=("B",),
        schemes=_METHODS,
    )
    for name, dearest_first in (("book by bus", False), ("dearest first", True))
]
BLOCKED = [
    Setting(
        study="blocked",
        label=name,
        recipe=recipe,
        kinds=("B",),
        schemes=("multilevel-03", "multilevel-06", "fragmented"),
    )
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
