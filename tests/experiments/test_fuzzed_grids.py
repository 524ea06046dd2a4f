"""Grid files that nobody has tried, used as distribution grid of a market and as feeder of an envelope.

Each is used or refused in one line. Half of them have a few numbers at the ends of what they may be, the
others are mutants of text and structure of every format (`tests.grids.mutants`).
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandapower as pp
import pandas as pd
import pytest

from tandem_sim.experiments.commands.envelope import EnvelopeRequest, work_out
from tandem_sim.grids.choices import POINTS, RULES
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.io.read import _of_content, load_network
from tandem_sim.markets.choices import ABOUT
from tests.grids.mutants import TEXT, mutant
from tests.markets.case_mutants import changed_cell, outcome, read, short
from tests.markets.cases.test_edge_markets import HEAD, little_case
from tests.nets import empty_net
from tests.sim.test_extremes import at_most

FEW, MANY = 40, 2000
LONG = pytest.mark.long("fifty times as many")
NUMBERS = pytest.mark.parametrize("n", [FEW, pytest.param(MANY, marks=LONG)])
FORMATS = (".json", ".m", ".mat", ".uct")


@cache
def feeder() -> bytes:
    """A low-voltage feeder of three users behind a transformer, one of them on one phase, as a file."""
    net = empty_net(sn_mva=1.0)
    top, low, *users = pp.create_buses(net, 5, vn_kv=0.4).tolist()
    net.bus.loc[top, "vn_kv"] = 20.0
    pp.create_ext_grid(net, top)
    pp.create_transformer_from_parameters(
        net,
        top,
        low,
        0.4,
        20.0,
        0.4,
        1.425,
        6.0,
        1.35,
        0.3375,
        vector_group="Dyn",
        vk0_percent=6.0,
        vkr0_percent=1.425,
        mag0_percent=100.0,
        mag0_rx=0.0,
        si0_hv_partial=0.9,
    )
    for before, after in ((low, users[0]), (users[0], users[1]), (low, users[2])):
        pp.create_line_from_parameters(
            net,
            before,
            after,
            0.1,
            0.2,
            0.08,
            210.0,
            0.3,
            r0_ohm_per_km=0.8,
            x0_ohm_per_km=0.32,
            c0_nf_per_km=100.0,
        )
    pp.create_asymmetric_load(net, users[0], p_a_mw=0.002)
    for bus in users[1:]:
        pp.create_load(net, bus, 0.003, 0.001)
    pp.create_sgen(net, users[2], 0.001)
    for name in [name for name, table in net.items() if isinstance(table, pd.DataFrame) and table.empty]:
        del net[name]  # which every net has when it is read
    return str(pp.to_json(net)).encode()


def spoiled(rng: random.Random, data: bytes) -> bytes:
    """One to three changes of numbers, or one of text."""
    if rng.random() < 0.9:
        text = data.decode()
        for _ in range(rng.choice((1, 1, 2, 3))):
            text = changed_cell(rng, text)
        return text.encode()
    return rng.choice(TEXT)(np.random.default_rng(rng.randrange(2**32)), data)


def envelopes(n: int, folder: Path) -> Iterator[tuple[int, str]]:
    """What becomes of `n` mutants of the feeder in ``tandem envelope``."""
    rng, path = random.Random(3), folder / "net.json"
    for k in range(n):
        path.write_bytes(spoiled(rng, feeder()))
        request = EnvelopeRequest(
            net=str(path),
            rule=rng.choice(RULES),
            points=rng.choice(POINTS),
            participation=rng.choice((1.0, 0.4)),
        )
        yield k, used(request)


def used(request: EnvelopeRequest) -> str:
    """Work an envelope out: "ran", or why not. Guarantees are finite and within the connection."""
    try:
        answer = work_out(request)
    except InputError as error:
        return said(error)
    for kw in (answer.envelope.import_kw, answer.envelope.export_kw):
        assert ((kw >= 0.0) & (kw <= request.connection_kw + 1e-9)).all(), kw
    assert math.isfinite(answer.worst_pu)
    if not answer.envelope.relaxed:
        assert answer.worst_pu <= 1e-6, answer.worst_pu
    return "ran"


def said(error: InputError) -> str:
    told = str(error)
    assert told.isprintable(), told
    assert len(told) < 1500, told
    return told


def test_every_point_has_a_solution_where_export_lowers_voltages_too(tmp_path: Path) -> None:
    # Behind 8 ohm of reactance and next to no resistance, 9.2 kW either way cost firm users 0.18 p.u. The
    # voltage limit seen from import alone would leave the third 0.7 kW of export, with which there is none.
    tree = json.loads(feeder())
    lines = tree["_object"]["line"]
    table = json.loads(lines["_object"])
    for row, x_ohm in zip(table["data"], (80.0, 1.0, 0.24), strict=True):
        row[table["columns"].index("x_ohm_per_km")] = x_ohm
    lines["_object"] = json.dumps(table)
    path = tmp_path / "net.json"
    path.write_text(json.dumps(tree), encoding="utf-8")
    answer = work_out(EnvelopeRequest(net=str(path), participation=0.4))
    assert answer.envelope.relaxed
    assert math.isfinite(answer.worst_pu)


def markets(n: int, folder: Path) -> Iterator[tuple[int, str]]:
    """What becomes of `n` mutants of every format as the distribution grid of a little market."""
    rng = random.Random(4)
    little = little_case(folder / "little")
    own = short((little / "D1.json").read_text(encoding="utf-8")).encode()
    spec = json.loads((little / "case.json").read_text(encoding="utf-8"))
    for k in range(n):
        kind = rng.choice((".json", *FORMATS))
        before = own if rng.random() < 0.5 else None
        path = little / f"grid{'.json' if before else kind}"
        path.write_bytes(spoiled(rng, own) if before else mutant(kind, k))
        spec["distribution"][0]["grid"] = path.name
        (little / "case.json").write_text(json.dumps(spec), encoding="utf-8")
        try:
            *_, first, last = load_network(str(path)).bus_index.tolist()
            bids = f"d1,D1,{first},up,1,60\nd2,D1,{last},up,1,70\nd3,D1,{last},down,1,20\n"
            (little / "bids.csv").write_text(f"{HEAD}{bids}t1,T,1,up,2,80\n", encoding="utf-8")
            found = outcome(read(little), rng.sample(sorted(ABOUT), 4))
        except InputError as error:
            yield k, said(error)
        else:
            yield k, "no solution" if found["no solution"] else "ran"
        _of_content.cache_clear()


@NUMBERS
@pytest.mark.parametrize("use", [envelopes, markets], ids=["envelope", "clear"])
def test_grids_in_use_end_in_an_answer_or_one_message(n: int, use: object, tmp_path: Path) -> None:
    assert callable(use)
    counts: Counter[str] = Counter()
    going = use(n, tmp_path)
    while True:
        with at_most(10.0):
            found = next(going, None)
        if found is None:
            break
        counts[found[1] if found[1] in ("ran", "no solution") else "refused"] += 1
    print(dict(counts))
    assert min(counts["ran"], counts["refused"]) > n // 50
