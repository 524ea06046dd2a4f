"""Sources of grids: files of several formats, pandapower's test networks, SimBench, bundled tables."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from importlib import resources
from pathlib import Path

import pandapower as pp
import pandapower.networks as pn
import pandas as pd
import simbench
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.documents.text import is_there, read_bytes, read_text
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.io.cgmes import read_cgmes
from tandem_sim.grids.io.pandapower_json import read_pandapower_json
from tandem_sim.grids.io.simbench_taps import with_simbench_taps
from tandem_sim.grids.io.ucte import read_ucte
from tandem_sim.grids.matpower.read import read_matpower
from tandem_sim.grids.network.checks import check_net
from tandem_sim.grids.network.elements import SIGNS, Element, elements_of
from tandem_sim.grids.network.network import Network

BUNDLED = ("case69", "case141")
"""Radial feeders as tables in SI units: Baran and Wu (1989), Khodr et al. (2008); root bus 1 at 1.0 p.u."""
FILES = (".json", ".m", ".mat", ".uct", ".zip", ".xml")
"""Endings of grid files: pandapower JSON, MATPOWER (two), UCTE, CGMES (two)."""


def load_network(
    grid: str,
    folder: Path | None = None,
    left_out: Mapping[str, str] | None = None,
    profiled: Mapping[str, Sequence[int]] | None = None,
) -> Network:
    """Load the grid called `grid`.

    `grid` is a file (``*.json`` pandapower, ``*.m`` or ``*.mat`` MATPOWER, ``*.uct`` UCTE, ``*.zip`` or
    ``*.xml`` CGMES; relative to `folder`), a SimBench code such as ``1-MV-rural--0-sw``, a bundled table
    (``case69``, ``case141``) or the name of a network in ``pandapower.networks`` (``case14``,
    ``create_cigre_network_mv``). `left_out` gives injecting tables to leave out, with the reason; `profiled`
    elements by table whose power the caller adds from profiles. Raises `InputError`.
    """
    return Network.from_pandapower(_shared(grid, folder), grid, left_out, profiled)  # it copies what it keeps


def load_net(grid: str, folder: Path | None = None) -> pandapowerNet:
    """The pandapower net behind `load_network`, as a copy to change before it becomes a `Network`."""
    return deepcopy(_shared(grid, folder))


def load_elements(grid: str, folder: Path | None = None) -> dict[str, list[Element]]:
    """Loads, generators and storages of a grid by table, checked as `load_network` does."""
    net = _shared(grid, folder)
    check_net(net, grid)
    return {table: elements_of(net, table) for table in SIGNS}


def _shared(grid: str, folder: Path | None) -> pandapowerNet:
    """The net of a grid as kept in the cache: callers must not change it."""
    if is_file(grid):
        path = (folder or Path()) / grid
        if not is_there(path, Path.exists):
            raise InputError(
                str(path),
                "grid",
                "the grid file does not exist",
                "Give a path relative to the file that names it",
            )
        return _of_content(_Content.of(path))
    return _published(grid)


def _meant(grid: str) -> str:
    """The most similar known name, as a question; empty if there is none."""
    near = get_close_matches(grid, [name for names in grid_names().values() for name in names], n=1)
    return f"Did you mean {near[0]}? " if near else ""


def is_file(grid: str) -> bool:
    """Whether a grid is given by a file, not by the name of a published grid."""
    return Path(grid).suffix.lower() in FILES


@dataclass(frozen=True)
class _Content:
    """The content of a grid file. Equal content is the same grid, whatever the file name."""

    kind: str  # the suffix, which says how it is parsed
    content: str | bytes
    path: Path = field(compare=False)  # for error messages only: results are cached by content

    @classmethod
    def of(cls, path: Path) -> _Content:
        kind = path.suffix.lower()
        if kind == ".json":
            return cls(kind, read_text(path), path)
        if path.suffix != kind:
            raise InputError(
                str(path), "grid", f"ends in {path.suffix}, which is not read", f"Rename it to end in {kind}"
            )
        return cls(kind, read_bytes(path), path)


@lru_cache(maxsize=32)
def _of_content(file: _Content) -> pandapowerNet:
    """The net of a file, parsed once for each content: parsing takes ten times as long as a copy."""
    if isinstance(file.content, str):
        return read_pandapower_json(file.content, file.path)
    if file.kind == ".uct":
        return read_ucte(file.content, file.path)
    if file.kind in (".zip", ".xml"):
        return read_cgmes(file.content, file.path)
    return read_matpower(file.content, file.path)


@lru_cache(maxsize=8)
def _published(grid: str) -> pandapowerNet:
    """A net that comes with a library or with Tandem, kept after reading: reading takes seconds."""
    if grid in BUNDLED:
        return _read_tables(grid)
    if grid in simbench.collect_all_simbench_codes():
        return with_simbench_taps(simbench.get_simbench_net(grid))
    if grid in network_names():
        return getattr(pn, grid)()
    raise InputError(
        grid,
        "grid",
        "no such grid",
        f"{_meant(grid)}Use a file ({', '.join(FILES)}), a SimBench code, one of {', '.join(BUNDLED)}, or a "
        "name from pandapower.networks such as case14 (tandem grids lists them all)",
    )


def grid_names() -> dict[str, list[str]]:
    """Every name of a published grid, by its source."""
    return {
        "bundled": list(BUNDLED),
        "pandapower.networks": network_names(),
        "SimBench": sorted(simbench.collect_all_simbench_codes()),
    }


def network_names() -> list[str]:
    """Networks in ``pandapower.networks`` that can be created without arguments."""
    makers = inspect.getmembers(pn, inspect.isfunction)
    return sorted(
        name
        for name, maker in makers
        if maker.__module__.startswith("pandapower.networks")
        and not name.startswith("_")
        and all(
            p.default is not p.empty or p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
            for p in inspect.signature(maker).parameters.values()
        )
    )


def _read_tables(name: str) -> pandapowerNet:
    folder = resources.files("tandem_sim.grids") / "data"
    with resources.as_file(folder / f"{name}_bus.csv") as path:
        bus = pd.read_csv(path)
    with resources.as_file(folder / f"{name}_line.csv") as path:
        line = pd.read_csv(path)
    net = pp.create_empty_network(name=name)
    pp.create_buses(
        net, len(bus), vn_kv=bus.vn_kv.to_numpy(), index=bus.bus.to_numpy(), min_vm_pu=0.9, max_vm_pu=1.1
    )
    pp.create_ext_grid(net, int(bus.bus.iloc[0]), vm_pu=1.0)
    loaded = bus[(bus.p_mw != 0) | (bus.q_mvar != 0)]
    pp.create_loads(net, loaded.bus.to_numpy(), p_mw=loaded.p_mw.to_numpy(), q_mvar=loaded.q_mvar.to_numpy())
    pp.create_lines_from_parameters(
        net,
        line.from_bus.to_numpy(),
        line.to_bus.to_numpy(),
        length_km=1.0,
        r_ohm_per_km=line.r_ohm.to_numpy(),
        x_ohm_per_km=line.x_ohm.to_numpy(),
        c_nf_per_km=0.0,
        max_i_ka=float("nan"),
    )
    return net
