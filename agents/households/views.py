"""Results of a household fleet: a delivered ISP, the lookahead to a later one, and its feasible range."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tandem_sim.grids.types import FloatArray


@dataclass(frozen=True, kw_only=True)
class FleetStep:
    """One delivered ISP. Sites (n_sites,) and groups (G,) in kW; injection positive.

    site_p_kw: actual net injection; site_base_kw: baseline from the state before the step; site_load_kw: the
    inflexible household load alone (<= 0). group_base_kw: baseline of each group's devices. up_kw, down_kw:
    delivered by each group, actual minus baseline, >= 0, at most one of them above 0. curtailed_kw: PV
    curtailed by activation. measures: columns of table ``system`` by name that the classes of the fleet fill
    (``DeviceClass.columns``). Connections (C,) kW: connection_kw actual, connection_base_kw
    without activation, connection_unconstrained_kw without activation and limits; shed_kw: appliances
    switched off to keep within limits. lost_kwh: energy lost for good by limits: appliances, curtailed PV,
    energy missing in EVs at departure. offer_kw (2, C): sustained offers up and down; free_offer_kw (2, C):
    the same without non-firm contracts.
    """

    isp: int
    site_p_kw: FloatArray
    site_base_kw: FloatArray
    site_load_kw: FloatArray
    group_base_kw: FloatArray
    up_kw: FloatArray
    down_kw: FloatArray
    curtailed_kw: float
    measures: Mapping[str, float]
    connection_kw: FloatArray
    connection_base_kw: FloatArray
    connection_unconstrained_kw: FloatArray
    shed_kw: FloatArray
    lost_kwh: float
    offer_kw: FloatArray
    free_offer_kw: FloatArray


@dataclass(frozen=True)
class SitesAhead:
    """Injections of sites (n_sites,) in a later ISP, kW: baseline, and inflexible load (<= 0)."""

    site_base_kw: FloatArray
    site_load_kw: FloatArray


@dataclass(frozen=True, kw_only=True)
class FleetLookahead:
    """Lookahead to a later ISP: baseline and load of sites as in ``FleetStep``, offers of groups.

    group_base_kw (G,): baseline of each group's devices. up_kw, down_kw (G,) >= 0: sustained offers around
    it. up_price, down_price (G,) EUR/MWh: true costs (the buyer pays +up_price; the provider pays back
    down_price), weighted by offered power; 0 where the offer is 0.
    """

    isp: int
    site_base_kw: FloatArray
    site_load_kw: FloatArray
    group_base_kw: FloatArray
    up_kw: FloatArray
    down_kw: FloatArray
    up_price: FloatArray
    down_price: FloatArray

    @cached_property
    def offer_mw(self) -> FloatArray:
        """Offers of all groups upwards, then of all downwards, (2 G,) MW."""
        return np.concatenate([self.up_kw, self.down_kw]) / 1000.0

    @cached_property
    def offer_price(self) -> FloatArray:
        """Their prices (2 G,) EUR/MWh."""
        return np.concatenate([self.up_price, self.down_price])


@dataclass(frozen=True, kw_only=True)
class FeasibleRange:
    """Expected power and feasible range of one ISP with all orders known.

    connection_kw (C,): net injection; connection_base_kw (C,): without orders; connection_unconstrained_kw
    (C,): without orders and limits. up_kw, down_kw (G,) >= 0: largest change of groups from their baseline in
    this ISP. relief_kw (C,): further decrease of net import of each connection without discomfort;
    relief_price (C,) EUR/MWh: its cost in wear and inconvenience.
    """

    connection_kw: FloatArray
    connection_base_kw: FloatArray
    connection_unconstrained_kw: FloatArray
    up_kw: FloatArray
    down_kw: FloatArray
    relief_kw: FloatArray
    relief_price: FloatArray


@dataclass(frozen=True)
class FleetBaseline:
    """Baseline and inflexible load of sites without orders, (n, n_sites), kW, injection positive."""

    site_base_kw: FloatArray
    site_load_kw: FloatArray
