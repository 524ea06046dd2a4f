"""Nets that tests build by hand, from tables that are made once: that takes longer than to fill them."""

from __future__ import annotations

from copy import deepcopy
from functools import cache

import pandapower as pp
import pytest
from pandapower.auxiliary import pandapowerNet

FROM_SIMBENCH = tuple(
    pytest.param(
        grid,
        marks=pytest.mark.long("SimBench takes 3 s to read a grid: what its data add to published tables"),
    )
    for grid in ("1-LV-rural1--0-sw", "1-MV-rural--0-sw")
)
"""Grids of low and medium voltage with switches, tapped transformers and line charging."""


@cache
def _empty() -> pandapowerNet:
    return pp.create_empty_network()


def empty_net(name: str = "", sn_mva: float = 1.0) -> pandapowerNet:
    """What ``pandapower.create_empty_network`` makes."""
    net = deepcopy(_empty())
    net["name"], net["sn_mva"] = name, sn_mva
    return net
