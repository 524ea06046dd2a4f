"""Grids that take seconds to load, read once per session."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from functools import cache

import pytest
from hypothesis import settings
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.io.read import load_net
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.power_flow.ac import PowerFlow
from tandem_sim.sim.user_key import VARIABLE

# The same examples in every run; ``pytest --hypothesis-profile default`` draws new ones.
settings.register_profile("same examples", derandomize=True)
settings.load_profile("same examples")


@pytest.fixture(scope="session", autouse=True)
def key_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Checkpoints of tests, and of processes they start, are signed with a key of their own."""
    os.environ[VARIABLE] = str(tmp_path_factory.mktemp("user") / "key")
    yield
    del os.environ[VARIABLE]


@pytest.fixture(scope="session", autouse=True)
def signals_as_usual() -> Iterator[None]:
    """Whoever runs the tests may ignore signals (``nohup``, ``&``), and what ends a run is not heard then."""
    before = {n: signal.signal(n, signal.default_int_handler) for n in (signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


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
