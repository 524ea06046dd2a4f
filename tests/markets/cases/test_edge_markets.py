"""Markets at the edge, through every scheme: without bids, without need, without room, without a solution."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pandapower as pp
import pytest

from tandem_sim.grids.choices import Offset
from tandem_sim.grids.errors import InputError
from tandem_sim.markets.cases.case import Case, read_case
from tandem_sim.markets.cases.clear import Outcome, allocate, clear_case
from tandem_sim.markets.schemes import SCHEMES, Options, build_schemes
from tests.nets import empty_net

HEAD = "bid_id,system,bus,direction,quantity_mw,price_eur_per_mwh\n"
BIDS = """d1,D1,11,up,1,60
d2,D1,12,up,1,70
d3,D1,12,down,1,20
t1,T,1,up,2,80
t2,T,2,down,2,10
"""


def feeder_net(load_mw: dict[int, float], first: int, kv: float, ka: float = 1.0, ohm: float = 0.02) -> Any:
    """Three buses in a row from `first` on, fed at the first."""
    net = empty_net()
    pp.create_buses(net, 3, vn_kv=kv, index=range(first, first + 3), min_vm_pu=0.9, max_vm_pu=1.1)
    pp.create_ext_grid(net, first)
    for k in (first, first + 1):
        pp.create_line_from_parameters(net, k, k + 1, 1.0, ohm / 2.0, ohm, 0.0, ka)
    for bus, mw in load_mw.items():
        pp.create_load(net, bus, p_mw=mw, q_mvar=0.1 * mw)
    return net


@cache
def _feeder(
    load_mw: tuple[tuple[int, float], ...], first: int, kv: float, source_mw: float = 0.0, **line: float
) -> str:
    """A feeder as a file says it; `source_mw` are fed in where it begins."""
    net = feeder_net(dict(load_mw), first, kv, **line)
    if source_mw:
        pp.create_sgen(net, first, p_mw=source_mw)
    return str(pp.to_json(net))


def little_case(
    folder: Path,
    bids: str = BIDS,
    need_mw: float = 1.0,
    areas: tuple[str, ...] = ("D1",),
    end_mw: float = 1.0,
    **line: float,
) -> Path:
    """A case folder: transmission buses 0 to 2, an area of buses 10 to 12 and 2 MW of load behind each of
    buses 1, 2, .., and `need_mw` of injection wanted. `line` are properties of the areas' lines.
    """
    folder.mkdir(parents=True)
    transmission = _feeder(((1, 1.0),), 0, 110.0, 1.0 + 2.0 * len(areas) - need_mw)
    (folder / "T.json").write_text(transmission, encoding="utf-8")
    for area in areas:
        text = _feeder(((11, 2.0 - end_mw), (12, end_mw)), 10, 20.0, **line)
        (folder / f"{area}.json").write_text(text, encoding="utf-8")
    entries = [{"id": a, "grid": f"{a}.json", "interface_bus": k} for k, a in enumerate(areas, start=1)]
    spec = {"name": "little", "transmission": {"grid": "T.json"}, "distribution": entries, "bids": "bids.csv"}
    (folder / "case.json").write_text(json.dumps(spec), encoding="utf-8")
    (folder / "bids.csv").write_text(HEAD + bids, encoding="utf-8")
    return folder


NO_DER = ("fragmented", "shared-balancing")  # where the TSO has no access to the areas
WITHOUT_LIMITS = (
    "central-01",
    "multilevel-01",
    "multilevel-02",
    "multilevel-05",
)  # where it takes from them without a need for them
VARIANTS = {
    "plain": Options(),
    "other": Options(grid_prequalification="static", aggregation="exact", pricing="locational"),
}
TABLES = {name: build_schemes(options) for name, options in VARIANTS.items()}
EVERY = [pytest.param(variant, name, id=f"{name} {variant}") for variant, t in TABLES.items() for name in t]
every_scheme = pytest.mark.parametrize(("variant", "scheme"), EVERY)

Cases = Callable[..., Case]


@pytest.fixture(scope="module")
def case_of(tmp_path_factory: pytest.TempPathFactory) -> Cases:
    """A small case, read once: see `little_case`; `spec` goes into its first area."""

    @cache
    def read(
        bids: str, need_mw: float, areas: tuple[str, ...], offset: Offset, spec: str, line: tuple[Any, ...]
    ) -> Case:
        folder = little_case(tmp_path_factory.mktemp("edge") / "case", bids, need_mw, areas, **dict(line))
        case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
        case["distribution"][:1] = [e | json.loads(spec) for e in case["distribution"][:1]]
        (folder / "case.json").write_text(json.dumps(case), encoding="utf-8")
        return read_case(folder, offset)

    def make(
        bids: str,
        need_mw: float = 1.0,
        areas: tuple[str, ...] = ("D1", "D2"),
        offset: Offset = "linear",
        spec: Mapping[str, Any] | None = None,
        **line: float,
    ) -> Case:
        return read(bids, need_mw, areas, offset, json.dumps(spec or {}), tuple(line.items()))

    return make


def cleared(case: Case, variant: str, scheme: str) -> Outcome:
    """The outcome, after a look at what it says in JSON: numbers, and nothing that is none."""
    how = TABLES[variant][scheme]
    outcome = replace(clear_case(case, how), allocation=allocate(case, how))
    entry = outcome.as_dict(clear_case(case, TABLES[variant]["common"]).cost_eur_per_h)
    assert json.loads(json.dumps(entry, allow_nan=False)) == entry
    assert math.isfinite(outcome.cost_eur_per_h)
    assert outcome.unserved_imbalance_mw >= 0.0
    assert all(mw > 0.0 for _, _, mw in outcome.cleared)
    return outcome


def sold(outcome: Outcome) -> dict[str, float]:
    """MW by bid, over all markets."""
    total: dict[str, float] = {}
    for bid, _, mw in outcome.cleared:
        total[bid] = total.get(bid, 0.0) + mw
    return total


@every_scheme
@pytest.mark.parametrize("need", [1.0, 0.0, -1.0])
def test_no_bids_at_all(case_of: Cases, variant: str, scheme: str, need: float) -> None:
    outcome = cleared(case_of("", need), variant, scheme)
    assert outcome.cleared == []
    assert outcome.cost_eur_per_h == 0.0
    assert outcome.unserved_imbalance_mw == pytest.approx(abs(need))
    assert outcome.interface_mw == {"D1": pytest.approx(2.0), "D2": pytest.approx(2.0)}


@every_scheme
@pytest.mark.parametrize("bid", ["d1,D1,11,up,2,60\n", "t1,T,1,up,2,60\n", "d1,D1,11,down,2,60\n"])
def test_one_bid(case_of: Cases, variant: str, scheme: str, bid: str) -> None:
    outcome = cleared(case_of(bid), variant, scheme)
    usable = "up" in bid and (scheme not in NO_DER or bid.startswith("t"))
    # A need of 1 MW and a bid of 2: half of it. Discrete aggregation has steps of half a MW.
    assert sold(outcome) == (pytest.approx({bid[:2]: 1.0}) if usable else {})
    assert outcome.unserved_imbalance_mw == pytest.approx(0.0 if usable else 1.0)
    assert outcome.cost_eur_per_h == pytest.approx(60.0 if usable else 0.0)


@every_scheme
def test_bids_of_nothing_sell_nothing(case_of: Cases, variant: str, scheme: str) -> None:
    outcome = cleared(case_of(BIDS.replace(",1,", ",0,").replace(",2,", ",0,")), variant, scheme)
    assert outcome.cleared == []
    assert outcome.unserved_imbalance_mw == pytest.approx(1.0)


@every_scheme
def test_no_need_and_nothing_that_pays(case_of: Cases, variant: str, scheme: str) -> None:
    outcome = cleared(case_of(BIDS, 0.0), variant, scheme)
    assert outcome.cleared == []
    assert (outcome.cost_eur_per_h, outcome.unserved_imbalance_mw) == (0.0, 0.0)


@every_scheme
@pytest.mark.parametrize("need", [50.0, -50.0])
def test_a_need_that_no_bid_can_serve(case_of: Cases, variant: str, scheme: str, need: float) -> None:
    outcome = cleared(case_of(BIDS, need), variant, scheme)
    up = {"d1": 1.0, "d2": 1.0, "t1": 2.0} if need > 0 else {"d3": 1.0, "t2": 2.0}
    if scheme in NO_DER:
        up = {bid: mw for bid, mw in up.items() if bid.startswith("t")}
    assert sold(outcome) == pytest.approx(up)
    assert outcome.unserved_imbalance_mw == pytest.approx(50.0 - sum(up.values()))
    price = {"d1": 60.0, "d2": 70.0, "t1": 80.0, "d3": -20.0, "t2": -10.0}
    assert outcome.cost_eur_per_h == pytest.approx(sum(mw * price[bid] for bid, mw in up.items()))


@every_scheme
def test_no_areas(case_of: Cases, variant: str, scheme: str) -> None:
    outcome = cleared(case_of("t1,T,1,up,2,80\n", areas=()), variant, scheme)
    assert sold(outcome) == pytest.approx({"t1": 1.0})
    assert outcome.interface_mw == {}


ONE_PRICE = [
    f"b{k},{system},{bus},up,1,50\n"
    for k, (system, bus) in enumerate(
        [("T", 1), ("D1", 12), ("D2", 11), ("D1", 11), ("T", 2), ("D2", 12), ("D1", 11), ("T", 1), ("D2", 11)]
    )
]


@every_scheme
def test_at_one_price_the_first_bid_of_a_system_sells_first_whatever_the_order_of_rows(
    case_of: Cases, variant: str, scheme: str
) -> None:
    outcome = cleared(case_of("".join(ONE_PRICE), 3.5), variant, scheme)
    awards = sold(outcome)
    assert outcome.unserved_imbalance_mw == pytest.approx(0.5 if scheme in NO_DER else 0.0)
    assert sum(awards.values()) == pytest.approx(3.0 if scheme in NO_DER else 3.5)
    for system in ("T", "D1", "D2"):
        order = [awards.get(row[:2], 0.0) for row in ONE_PRICE if f",{system}," in row]
        full = [mw for mw in order if mw > 1.0 - 1e-9]
        assert order[: len(full)] == full  # whole bids first, then at most one in part
        assert sum(mw > 1e-9 for mw in order[len(full) + 1 :]) == 0
    rows = ONE_PRICE.copy()
    random.Random(3).shuffle(rows)
    assert cleared(case_of("".join(rows), 3.5), variant, scheme).cleared == outcome.cleared


@every_scheme
@pytest.mark.parametrize("offset", ["linear", "ac"])
def test_a_branch_whose_rating_reactive_power_takes(
    case_of: Cases, variant: str, scheme: str, offset: Offset
) -> None:
    spec = {"ratings_mva": {"line 1": 0.05}}  # behind it are 1 MW and 0.1 Mvar
    outcome = cleared(case_of(BIDS, offset=offset, spec=spec), variant, scheme)
    assert (outcome.linear.lines, outcome.ac.lines) == (1, 1)
    assert math.isfinite(outcome.ac.max_overload_pct)


@every_scheme
def test_a_branch_rated_zero_lets_nothing_more_in(case_of: Cases, variant: str, scheme: str) -> None:
    """How far it is over its limit cannot be said in percent; everything else can."""
    outcome = cleared(case_of(BIDS, -1.0, spec={"ratings_mva": {"line 1": 0}}), variant, scheme)
    assert ("d3" in sold(outcome)) == (scheme in WITHOUT_LIMITS)
    seen = "area.grid" in SCHEMES[scheme].shared or scheme == "aggregation"
    relieves = seen and scheme != "central-03-relaxed"
    assert ("d2" in sold(outcome)) == relieves  # brings the active flow to zero
    assert outcome.linear.lines == outcome.ac.lines == 1  # 0.1 Mvar still flow


@every_scheme
def test_a_branch_rated_zero_that_carries_nothing(case_of: Cases, variant: str, scheme: str) -> None:
    case = case_of(BIDS, 1.5, spec={"ratings_mva": {"line 1": 0}}, end_mw=0.0)
    outcome = cleared(case, variant, scheme)
    assert ("d2" in sold(outcome)) == (scheme in WITHOUT_LIMITS)
    assert outcome.linear.lines == outcome.ac.lines == (1 if scheme in WITHOUT_LIMITS else 0)


@every_scheme
def test_an_overload_that_no_bid_can_relieve_is_left_and_counted(
    case_of: Cases, variant: str, scheme: str
) -> None:
    bids = "d1,D1,11,up,1,60\nt1,T,1,up,2,80\n"  # 2 MW flow where 0.7 MVA fit
    outcome = cleared(case_of(bids, spec={"ratings_mva": {"line 0": 0.7}}), variant, scheme)
    assert sold(outcome) == pytest.approx({"t1": 1.0} if scheme in NO_DER else {"d1": 1.0})
    assert outcome.linear.lines == outcome.ac.lines == 1


def test_a_base_without_an_ac_power_flow_is_refused_where_it_is_needed(tmp_path: Path) -> None:
    folder = little_case(tmp_path / "case", ohm=80.0)
    with pytest.raises(InputError, match=r"case\.json: offset: the AC power flow of grid D1\.json has no"):
        read_case(folder, "ac")


@every_scheme
def test_a_base_without_an_ac_power_flow_is_counted(case_of: Cases, variant: str, scheme: str) -> None:
    outcome = cleared(case_of(BIDS, ohm=80.0), variant, scheme)
    assert outcome.ac.diverged >= 1  # D2, which has no bids; where limits are included, D1 is relieved


@every_scheme
def test_an_ac_power_flow_that_an_activation_takes_away(case_of: Cases, variant: str, scheme: str) -> None:
    case = case_of("d1,D1,12,down,400,20\n", -300.0, offset="ac", ohm=4.0)
    assert cleared(case, variant, scheme).ac.diverged == (1 if scheme in WITHOUT_LIMITS else 0)


def test_duplicate_bids_and_an_interface_that_does_not_exist(tmp_path: Path) -> None:
    folder = little_case(tmp_path / "twice", BIDS + "d1,T,2,up,1,60\n")
    with pytest.raises(InputError, match=r"bids\.csv: bid_id in line 7: d1 is used twice"):
        read_case(folder)
    folder = little_case(tmp_path / "nowhere")
    case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    case["distribution"][0]["interface_bus"] = 11  # a bus of the area, not of transmission
    (folder / "case.json").write_text(json.dumps(case), encoding="utf-8")
    with pytest.raises(InputError, match=r"case\.json: distribution\.0\.interface_bus: bus 11 does not"):
        read_case(folder)
