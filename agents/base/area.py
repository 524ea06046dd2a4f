"""One distribution area: its grid, the sites of households, and the load besides households."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tandem_sim.agents.base.passive import PassiveInjections
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.power_flow.ac import PowerFlow
from tandem_sim.grids.power_flow.lindistflow import LinDistFlow
from tandem_sim.grids.types import FloatArray, IntArray


@dataclass(frozen=True, kw_only=True)
class Area:
    """A distribution grid in the simulation. N nodes, S sites of households: buses with load, LV feeders."""

    name: str
    network: Network
    lin: LinDistFlow
    power_flow: PowerFlow
    sites: slice  # of the fleet's site arrays
    site_node: IntArray  # (S,)
    site_label: tuple[str, ...]  # (S,) as bids name them
    share: FloatArray  # (N,) share of the area's nominal load
    tan_phi: FloatArray  # (N,) reactive per active load
    fixed_mvar: FloatArray  # (N,) injections of reactive power without active power
    nominal_mw: float  # injection of the nominal load (<= 0)
    other_mw: FloatArray  # (T,) injection of the load besides households, over all nodes (<= 0)
    passive: PassiveInjections  # loads, generators and storages of the grid's data that follow a profile

    @property
    def error_share(self) -> FloatArray:
        """Share of each node (N,) in a forecast error: that in nominal load, or equal for all that inject."""
        if self.nominal_mw:
            return self.share
        nodes = np.unique(np.concatenate([self.site_node, self.passive.node]))
        share = np.zeros(self.network.n_nodes)
        share[nodes] = 1.0 / max(len(nodes), 1)
        return share

    def injections(
        self, isp: int, site_kw: FloatArray, site_load_kw: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Injections of all nodes (N,) in MW and Mvar.

        `site_kw` and `site_load_kw` are the fleet's net injection and its inflexible part, over the sites of
        all areas. Inflexible and other load draw reactive power as the grid's own data say; devices run at
        unity power factor, except for reactive power bought by the DSO (`FleetAgent.site_mvar`).
        """
        other = self.share * self.other_mw[isp]
        net, load = self.at_nodes(site_kw) / 1000.0, self.at_nodes(site_load_kw) / 1000.0
        p_mw, q_mvar = other + net, self.tan_phi * (other + load) + self.fixed_mvar
        self.passive.add_to(isp, p_mw, q_mvar)
        return p_mw, q_mvar

    def besides_households_mw(self, isps: slice) -> FloatArray:
        """Injection of the whole area besides that of households (n,), MW."""
        return np.asarray(self.other_mw[isps] + self.passive.total_mw()[isps])

    def at_nodes(self, by_site: FloatArray) -> FloatArray:
        """Values of the sites of all areas, (n_sites,), summed by node (N,) of this area."""
        n = self.network.n_nodes
        return np.bincount(self.site_node, weights=by_site[self.sites], minlength=n).astype(np.float64)
