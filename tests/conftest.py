"""Grids that take seconds to load, read once per session."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import settings
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.load import load_net
from tandem_sim.grids.network import Network
from tandem_sim.grids.powerflow import PowerFlow

# The same examples in every run; ``pytest --hypothesis-profile default`` draws new ones.
settings.register_profile("same examples", derandomize=True)
settings.load_profile("same examples")


@cache
def _net(name: str) -> pandapowerNet:
    return load_net(name)


@cache
def _network(name: str) -> Network:
    return Network.from_pandapower(_net(name), name)


@pytest.fixture(scope="session")
def net_of() -> Callable[[str], pandapowerNet]:
    """The pandapower net of a grid name; shared by all tests, so copy it before changing it."""
    return _net


@pytest.fixture(scope="session")
def network_of() -> Callable[[str], Network]:
    """The `Network` of a grid name, shared by all tests."""
    return _network


@pytest.fixture(scope="session")
def power_flow_of() -> Callable[[str], PowerFlow]:
    """The power flow of a grid name, shared by all tests."""

    @cache
    def build(name: str) -> PowerFlow:
        return PowerFlow(_network(name))

    return build
