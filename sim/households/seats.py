"""Households of a table on low-voltage feeders: which user each of them is, and who holds a contract."""

from __future__ import annotations

import numpy as np

from tandem_sim.grids.documents.text import hint
from tandem_sim.grids.low_voltage.three_phase import Feeder
from tandem_sim.grids.types import BoolArray, IntArray
from tandem_sim.sim.households.given import PHASES
from tandem_sim.sim.households.table import HouseholdTable
from tandem_sim.sim.scenario.scenario import Scenario

NON_FIRM = 1
"""Number of the choice `non-firm`."""


def seats(table: HouseholdTable | None, free: IntArray, name: str, feeder: Feeder) -> IntArray | None:
    """Households (U,) at the users of a feeder; None where fewer than U can be there.

    `free` are the households of its bus that are on no feeder yet. Those that name a user come first, then
    those that name the feeder alone, then those that name none, each in their order. Raises `InputError` for
    a user that does not exist or is named twice.
    """
    users = len(feeder.users)
    if table is None:
        return free[:users] if len(free) >= users else None
    number = {user.name: k for k, user in enumerate(feeder.users)}
    found = np.full(users, -1, dtype=np.int64)
    named, others = [], []
    for k in free.tolist():
        if table.lv_feeder[k] == name and table.lv_user[k]:
            user = number.get(table.lv_user[k])
            if user is None:
                problem = f"{table.lv_user[k]} is no user of feeder {name}"
                raise table.error(k, "lv_user", problem, hint(table.lv_user[k], number))
            if found[user] >= 0:
                problem = f"user {table.lv_user[k]} of feeder {name} is also in {table.place[found[user]]}"
                raise table.error(k, "lv_user", problem, "Give every user one household")
            found[user] = k
        elif table.lv_feeder[k] == name:
            named.append(k)
        elif not table.lv_feeder[k]:
            others.append(k)
    left = np.flatnonzero(found < 0)
    if len(named) > len(left):
        problem = f"feeder {name} has {users} users, and more households are on it"
        raise table.error(named[len(left)], "lv_feeder", problem, "Put fewer on it")
    if len(named) + len(others) < len(left):
        return None
    found[left] = [*named, *others][: len(left)]
    return found


def check_seats(
    table: HouseholdTable, scenario: Scenario, connection_of: IntArray, phases_of: IntArray, own: BoolArray
) -> None:
    """Raise `InputError` for what a table says of LV feeders and cannot be.

    connection_of, phases_of (H,): connection, -1 for none, and phases by the net. own (H,): on a feeder with
    an aggregator of its own.
    """
    contract, phases = table.values.get("contract"), table.values.get("phases")
    for k in range(len(table)):
        alone = connection_of[k] < 0
        if table.lv_feeder[k] and alone:
            problem = f"is {table.lv_feeder[k]}, a feeder at another bus"
            raise table.error(k, "lv_feeder", problem, "Give the bus and area of the feeder")
        if own[k] and table.given("aggregator")[k]:
            problem = "is given, and the household is on a feeder with an aggregator of its own"
            raise table.error(k, "aggregator", problem, "Leave it empty, or set own_aggregator to false")
        if contract is not None and contract[k] == NON_FIRM and (alone or not scenario.non_firm.enabled):
            why = "is on no LV feeder of low_voltage" if alone else "non_firm.enabled is false"
            problem = f"is non-firm, and {why if not alone else 'the household ' + why}"
            raise table.error(k, "contract", problem, "Leave it empty, or use firm")
        if not alone and phases is not None and not np.isnan(phases[k]):
            given = int(PHASES[int(phases[k])])
            if given != phases_of[k]:
                problem = f"is {given}, and its user of the LV feeder is on {phases_of[k]}"
                raise table.error(k, "phases", problem, "Leave it empty: the net of the feeder decides")


def held_by(table: HouseholdTable | None, households: IntArray, drawn: BoolArray) -> BoolArray:
    """Users (U,) under contract: as the table says of their households (U,), and otherwise as drawn."""
    if table is None or "contract" not in table.values:
        return drawn
    said = table.values["contract"][households]
    return np.where(np.isnan(said), drawn, said == NON_FIRM)
