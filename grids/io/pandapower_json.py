"""pandapower JSON, of this and of earlier versions of pandapower, read without running code from the file."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandapower as pp
import pandas as pd
from pandapower.auxiliary import pandapowerNet
from pandapower.file_io import from_json_dict

from tandem_sim.grids.documents.text import one_line
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.io.pandapower_tables import made, parsed
from tandem_sim.grids.io.simbench_taps import with_simbench_taps


def read_pandapower_json(text: str, path: Path) -> pandapowerNet:
    """The net of a pandapower JSON, converted to the present format. Errors name `path`.

    Raises `InputError` for text that is no JSON, that names a class outside a fixed list
    (`tandem_sim.grids.io.pandapower_tables`), or that is no net.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings about files of older pandapower versions
        try:
            net = made(parsed(text, path), path)
            if isinstance(net, dict) and "bus" in net and not isinstance(net, pandapowerNet):
                net = from_json_dict(net)  # versions before 2.2
            if not isinstance(net, pandapowerNet):
                raise InputError(
                    str(path), "net", "is not a pandapower network", "Write it with pandapower.to_json"
                )
            return with_simbench_taps(_converted(net))
        except InputError:
            raise
        except Exception as error:  # pandapower raises many kinds for incomplete tables
            shown = f"no {one_line(error)}" if isinstance(error, KeyError) else one_line(error)
            raise InputError(
                str(path), "net", f"pandapower cannot read it ({shown})", "Write it with pandapower.to_json"
            ) from error


def _converted(net: pandapowerNet) -> pandapowerNet:
    """The net in the present format, as ``pandapower.from_json`` converts it.

    pandapower drops the flag ``tap_phase_shifter`` of its versions before 3, and infers the effect of taps
    from their steps. Here the flag decides: an ideal phase shifter stays one although its step is in percent,
    and a ratio tap with a step in degrees only has no effect, as before.
    """
    flags = {
        (name, tap): net[name][f"tap{tap}_phase_shifter"].copy()
        for name in ("trafo", "trafo3w")
        for tap in ("", "2")
        if isinstance(net.get(name), pd.DataFrame) and f"tap{tap}_phase_shifter" in net[name]
    }
    for name, tap in flags:
        for column in (f"tap{tap}_step_degree", f"tap{tap}_step_percent"):
            if column not in net[name]:
                net[name][column] = np.nan
    pp.convert_format(net)
    for (name, tap), flag in flags.items():
        column = f"tap{tap}_changer_type"
        if column not in net[name]:
            continue
        ideal = flag.fillna(False).astype(bool)
        step = pd.to_numeric(net[name][f"tap{tap}_step_percent"], errors="coerce").fillna(0.0)
        net[name].loc[ideal, column] = "Ideal"
        net[name].loc[~ideal & (step == 0), column] = None
    return net
