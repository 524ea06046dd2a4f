"""Published files that are nearly right: each is read, or refused in one message of one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.published.elia import read_elia
from tandem_sim.grids.published.entsoe_xml import read_entsoe_xml
from tandem_sim.grids.published.tennet import read_tennet
from tandem_sim.grids.published.web_exports import read_entsoe_csv, read_smard
from tandem_sim.grids.series.series import LabelledRows, regular
from tests.grids.published.published import (
    ELIA,
    ENTSOE_GENERATION,
    ENTSOE_PRICES,
    SMARD,
    TENNET,
    TENNET_EXPORT,
    prices,
)
from tests.mutants import mutants

SEEDS: dict[str, tuple[str, Callable[[Path], LabelledRows]]] = {
    "xml": (prices({k: 10.5 - k for k in range(1, 25)}, curve="A03"), read_entsoe_xml),
    "entsoe prices": (ENTSOE_PRICES, read_entsoe_csv),
    "entsoe generation": (ENTSOE_GENERATION, read_entsoe_csv),
    "smard": (SMARD, read_smard),
    "elia": (ELIA, read_elia),
    "tennet": (TENNET, read_tennet),
    "tennet export": (TENNET_EXPORT, read_tennet),
}
N = 200


@pytest.mark.parametrize("name", SEEDS)
def test_mutants_are_read_or_refused_in_one_message(name: str, tmp_path: Path) -> None:
    seed, read = SEEDS[name]
    path = tmp_path / ("a.xml" if name == "xml" else "a.csv")
    ends: Counter[str] = Counter()
    for mutant in mutants(seed, N, "csv"):
        path.write_bytes(mutant)
        said = ""
        try:
            one = regular(read(path))
        except InputError as error:
            said = str(error)
        else:
            assert all(np.isfinite(values).all() for values in one.values.values())
        ends["refused" if said else "read"] += 1
        assert not said or (said.startswith(str(path)) and said.isprintable())
    assert ends.total() == N
    assert ends["refused"] > 50
