"""Extensions of users: what they may add, what a fault in them says, and that they change nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mesa
import pytest

from tandem_sim.agents.base.agent import Participant
from tandem_sim.agents.base.messages import AwardMessage, Message, StateMessage
from tandem_sim.agents.base.subscriptions import Role, at, on
from tandem_sim.agents.parties.aggregator import Aggregator
from tandem_sim.agents.strategies.allowed_code import NO_CODE, AllowedCode
from tandem_sim.grids.errors import InputError
from tandem_sim.sim.model import FlexibilityModel
from tandem_sim.sim.observers import collecting
from tandem_sim.sim.run import run, start
from tests.sim.conftest import HOURLY, OWN_CODE, hashes, small_scenario, table

HERE = "tests.sim.test_extensions"
EXTENSION = {"name": f"{HERE}:add_everything", "options": {"name": "watcher"}}
SEEN: dict[str, Any] = {}


class Awards(Role):
    """Counts awards."""

    def __init__(self) -> None:
        self.mw: list[float] = []

    @on(AwardMessage)
    def count(self, message: AwardMessage) -> None:
        self.mw.append(float(message.quantity_mw.sum()))


class Watcher(Participant):
    """Acts after the operators at a gate, and writes to itself."""

    def __init__(self, model: FlexibilityModel, name: str) -> None:
        super().__init__(model, name, model.context(name))
        self.cleared: list[bool] = []
        self.letters: list[int] = []

    @at("tso_clear")
    def look(self, isp: int) -> None:
        self.cleared.append(isp in self.model.ledgers and bool(self.model.ledgers[isp].markets))
        self.context.send(StateMessage(self.name, self.name, isp))

    @on(StateMessage)
    def read(self, message: Message) -> None:
        self.letters.append(message.isp)


def add_everything(model: FlexibilityModel, name: str) -> None:
    watcher, awards, gates = Watcher(model, name), Awards(), []
    model.add_agent(watcher)
    model.aggregators[0].add_role(awards)
    model.observers.append(lambda model, gate, what: gates.append(gate))
    SEEN.update(watcher=watcher, awards=awards, gates=gates)


def broken(model: FlexibilityModel) -> None:
    raise KeyError("mine")


def test_agents_roles_and_observers_are_called_and_change_nothing(tmp_path: Path) -> None:
    run(small_scenario(**HOURLY), None, tmp_path / "plain")
    run(small_scenario(**HOURLY, extensions=[EXTENSION]), None, tmp_path / "more", allowed=OWN_CODE)
    assert SEEN["watcher"].cleared == [True] * 24
    assert SEEN["watcher"].letters == list(range(24))
    awards = table(tmp_path / "plain", "activations").query("provider == 'A01'")
    assert sum(SEEN["awards"].mw) == pytest.approx(awards.quantity_mw.sum())
    assert SEEN["gates"].count("settle") == 24
    assert SEEN["gates"].index("offer") < SEEN["gates"].index("tso_clear") < SEEN["gates"].index("deliver")
    plain, more = hashes(tmp_path / "plain"), hashes(tmp_path / "more")
    assert {name for name in plain if plain[name] != more[name]} == {"messages.parquet"}  # its own letters


@pytest.mark.parametrize(
    ("given", "allowed", "says"),
    [
        (EXTENSION, NO_CODE, r"extensions.0.name: names .*add_everything, code that is not imported"),
        ({"name": f"{HERE}:absent"}, OWN_CODE, r"extensions.0.name: .*absent cannot be imported"),
        (
            {"name": f"{HERE}:add_everything"},
            OWN_CODE,
            r"extensions.0.options: .*missing a required argument",
        ),
        (EXTENSION | {"options": {"name": "TSO"}}, OWN_CODE, r"extensions.0.name: .* there is an agent TSO"),
        ({"name": f"{HERE}:broken"}, OWN_CODE, r"extensions.0.name: .*broken fails: KeyError: 'mine'"),
    ],
)
def test_a_fault_of_an_extension_names_its_field(
    tmp_path: Path, given: dict[str, Any], allowed: AllowedCode, says: str
) -> None:
    scenario = small_scenario(**HOURLY, extensions=[given])
    with pytest.raises(InputError, match=says):
        FlexibilityModel(scenario, None, tmp_path, allowed=allowed)


def test_a_name_that_is_no_function_is_refused_when_the_scenario_is_read() -> None:
    with pytest.raises(InputError, match=r"extensions.0.name: watch is no module:function"):
        small_scenario(extensions=[{"name": "watch"}])


def test_a_model_is_a_model_of_mesa(tmp_path: Path) -> None:
    collector = mesa.DataCollector(
        model_reporters={"areas": lambda model: len(model.areas)},
        agenttype_reporters={Aggregator: {"sells": lambda own: own.sales.is_open(own.model.steps)}},
    )
    model = start(small_scenario(**HOURLY), None, tmp_path, observers=[collecting(collector)])
    assert model.steps == -1
    model.step()
    assert (model.steps, model.running) == (0, True)
    names = model.agents_by_type[Aggregator].get("name")
    assert set(names) >= {"A01", "A02", "A03"}
    assert model.agents.select(lambda agent: agent.name == "TSO").get("name") == ["TSO"]
    model.run_model()
    assert (model.steps, model.running) == (23, False)
    model.recorder.close()
    rows = collector.get_agenttype_vars_dataframe(Aggregator)
    assert rows.index.get_level_values("Step").unique().tolist() == list(range(24))
    assert len(rows) == 24 * len(names)


def test_a_model_that_is_stepped_gives_the_tables_of_a_run(tmp_path: Path) -> None:
    """With the solver and the price limits of its scenario, whoever steps it."""
    given = {**HOURLY, "solver": "highspy", "product": {"price_cap_eur_per_mwh": 400.0}}
    run(small_scenario(**given), None, tmp_path / "run")
    model = start(small_scenario(**given), None, tmp_path / "steps")
    steps = 0
    while model.running:
        model.step()
        steps += 1
    model.recorder.close()
    assert steps == 24
    assert hashes(tmp_path / "run") == hashes(tmp_path / "steps")
    paid = table(tmp_path / "steps", "settlement").query("kind == 'imbalance'")
    for brp in model.brps:  # the bills that reach it by message add up to what is settled
        mine = paid.amount_eur[paid.payee == brp.name].sum() - paid.amount_eur[paid.payer == brp.name].sum()
        assert brp.imbalance_eur == pytest.approx(mine, abs=1e-9)
        assert mine != 0.0
