"""The meaning of tap positions of transformers in SimBench."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandapower.auxiliary import pandapowerNet

SIMBENCH_COLUMNS = {"subnet", "voltLvl"}
"""Columns that SimBench has in every table of elements: they identify its nets when read from a file."""


def with_simbench_taps(net: pandapowerNet) -> pandapowerNet:
    """The net, changed in place: taps of SimBench transformers change the ratio.

    SimBench's tables give a tap position, a side and ``dVm``, the step in percent of the rated voltage
    (Meinecke et al., 2020, and its data format); ``dVa``, the step of the angle, is 0. pandapower 3 ignores a
    position without ``tap_changer_type``, which the converter leaves empty. Other nets stay as they are.
    """
    for name in ("trafo", "trafo3w"):
        table = net[name]
        if not len(table) or not {*SIMBENCH_COLUMNS, "tap_changer_type", "tap_side"} <= set(table.columns):
            continue
        given = table.tap_side.isin(["hv", "mv", "lv"])
        for column in ("tap_pos", "tap_neutral", "tap_step_percent"):
            given &= np.isfinite(pd.to_numeric(table[column], errors="coerce").astype(float))
        table.loc[given & table.tap_changer_type.isna(), "tap_changer_type"] = "Ratio"
    return net
