"""Loads, generators and storages of a grid whose power follows a profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tandem_sim.agents.base.passive import PassiveInjections
from tandem_sim.grids.documents.text import shown
from tandem_sim.grids.errors import InputError, present
from tandem_sim.grids.network.elements import SIGNS, Element
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.series.profiles import MW, PRICE, Profiles
from tandem_sim.sim.inputs.profiles import profile_named
from tandem_sim.sim.scenario.series_sections import InjectionSettings

OF_NET = "net"
"""Stands for the profile that the net's own column names."""
LARGEST_RATIO, SMALLEST_RATIO = 30.0, 1 / 200
"""Peaks of a series may be so many times the nominal power; beyond it, its unit is taken to be wrong."""


@dataclass(frozen=True, kw_only=True)
class Follower:
    """An element, or a bus, and the profile that it follows."""

    label: str  # "sgen 3", "bus 7"
    table: str  # "" for a bus
    index: int
    bus: int
    sign: float  # of generation in the values
    nominal_mw: float  # with the sign of the table; nan for a bus
    tan_phi: float
    profile: str
    scale: float


def followers_of(
    settings: Sequence[InjectionSettings], elements: Mapping[str, Sequence[Element]], grid: str, field: str
) -> list[Follower]:
    """The elements and buses of a net that follow a profile.

    Raises `InputError` for an element that is not there, is out of service, is named twice, or has no profile
    of its own in the net.
    """
    named: dict[tuple[str, int], int] = {}
    found: list[Follower] = []
    rests: list[tuple[int, str]] = []
    for k, given in enumerate(settings):
        if given.bus is not None:
            found.append(_at_bus(given, f"{field}.{k}"))
            continue
        table, _, which = given.element.partition(" ")
        if table not in SIGNS:
            raise InputError(
                "scenario",
                f"{field}.{k}.element",
                f"{shown(given.element)} names no table whose elements may follow a profile",
                f"Begin with {', '.join(SIGNS)}, then an index or a name: sgen 3",
            )
        if not which:
            rests.append((k, table))
            continue
        element = _named(elements[table], table, which, grid, f"{field}.{k}.element")
        if (table, element.index) in named:
            problem = f"{table} {element.index} is named by {field}.{named[table, element.index]} already"
            raise InputError("scenario", f"{field}.{k}.element", problem, "Name each element once")
        named[table, element.index] = k
        found.append(_at_element(given, element, f"{field}.{k}"))
    for k, table in rests:
        others = [e for e in elements[table] if e.live and (table, e.index) not in named]
        if not others:
            raise InputError(
                "scenario",
                f"{field}.{k}.element",
                f"{grid} has no {table} in service besides those named",
                "Leave it out",
            )
        named |= {(table, e.index): k for e in others}
        found += [_at_element(settings[k], e, f"{field}.{k}") for e in others]
    return found


def taken_out(followers: Sequence[Follower]) -> dict[str, list[int]]:
    """Index of every element that follows a profile, by table."""
    tables: dict[str, list[int]] = {}
    for follower in followers:
        if follower.table:
            tables.setdefault(follower.table, []).append(follower.index)
    return tables


def injections_of(
    followers: Sequence[Follower],
    network: Network,
    profiles: Profiles,
    times: pd.DatetimeIndex,
    field: str,
) -> PassiveInjections:
    """Injections of the followers at the ISPs of `times`.

    Values in p.u. multiply the element's p_mw; MW are the power itself, with the sign of its table: of a
    load, or a storage that charges, consumption is positive. Reactive power is in the ratio of the element's
    q_mvar to its p_mw.
    """
    if not followers:
        return PassiveInjections.none(len(times))
    names = list(dict.fromkeys(follower.profile for follower in followers))
    with profile_named(field):
        values = dict(zip(names, profiles.at(names, times).T, strict=True))
    nodes = network.nodes_of(np.array([f.bus for f in followers]), field, "scenario")
    unique, where = np.unique(nodes, return_inverse=True)
    p_mw, q_mvar = (np.zeros((len(times), len(unique))) for _ in range(2))
    highest, lowest = np.zeros((2, len(unique))), np.zeros((2, len(unique)))
    for follower, place in zip(followers, where.tolist(), strict=True):
        factor = _factor(follower, profiles, -network.interface_mw, field)
        mw = factor * values[follower.profile]
        p_mw[:, place] += mw
        q_mvar[:, place] += follower.tan_phi * mw
        ends = factor * profiles.range_of(follower.profile)
        for extreme, end in ((highest, max(ends.max(), 0.0)), (lowest, min(ends.min(), 0.0))):
            extreme[:, place] += end, follower.tan_phi * end
    return PassiveInjections(unique, p_mw, q_mvar, highest, lowest)


def _factor(follower: Follower, profiles: Profiles, grid_mw: float, field: str) -> float:
    """Injection (MW) of a follower per unit of its profile. Raises `InputError` where they do not fit."""
    own = profiles.own.get(follower.profile)
    unit = profiles.unit([follower.profile])
    if unit == PRICE:
        raise InputError(
            "scenario", field, f"{follower.label}: {follower.profile} is a price", "Give a profile of power"
        )
    if unit == MW:
        nominal = abs(grid_mw) if np.isnan(follower.nominal_mw) else abs(follower.nominal_mw)
        own = present(own, f"the profile {follower.profile}")
        check_ratio(
            float(np.abs(own.values).max()) * follower.scale,
            nominal,
            lowest=not np.isnan(follower.nominal_mw),
            what=f"{follower.profile} of {own.source} for {follower.label}",
            field=field,
            sure=own.energy_checked,
        )
        return follower.sign * follower.scale
    if np.isnan(follower.nominal_mw):
        raise InputError(
            "scenario",
            field,
            f"{follower.label}: {follower.profile} is in p.u., and a bus has no rating to multiply",
            "Give a profile in kW or MW, or name an element of the net",
        )
    if follower.nominal_mw == 0.0:
        raise InputError(
            "scenario",
            field,
            f"{follower.label} has p_mw 0 in the net, and {follower.profile} in p.u. would multiply it",
            "Give a profile in kW or MW, or p_mw in the net",
        )
    return follower.sign * follower.nominal_mw * follower.scale


def check_ratio(
    peak_mw: float, nominal_mw: float, *, lowest: bool, what: str, field: str, sure: bool
) -> None:
    """Raise `InputError` for a peak far from nominal power, unless the energy of the series was stated."""
    if sure or nominal_mw <= 0.0 or peak_mw <= 0.0:
        return
    ratio = peak_mw / nominal_mw
    if ratio > LARGEST_RATIO or (lowest and ratio < SMALLEST_RATIO):
        raise InputError(
            "scenario",
            field,
            f"{what} reaches {peak_mw:.4g} MW, {ratio:.3g} times the nominal {nominal_mw:.4g} MW",
            "Check its unit and scale; if they are right, state the energy of the file in energy_mwh",
        )


def _at_bus(given: InjectionSettings, field: str) -> Follower:
    bus = present(given.bus, f"{field}.bus")
    if given.profile == OF_NET:
        raise InputError("scenario", f"{field}.profile", "a bus has no profile in the net", "Name a profile")
    return Follower(
        label=f"bus {bus}",
        table="",
        index=-1,
        bus=bus,
        sign=1.0 if given.kind == "generation" else -1.0,
        nominal_mw=float("nan"),
        tan_phi=given.tan_phi or 0.0,
        profile=given.profile,
        scale=given.scale,
    )


def _at_element(given: InjectionSettings, element: Element, field: str) -> Follower:
    label = f"{element.table} {element.index}"
    if given.profile == OF_NET and not element.profile:
        raise InputError(
            "scenario",
            f"{field}.profile",
            f"{label} has no profile in the net's column profile",
            "Name a profile",
        )
    return Follower(
        label=label,
        table=element.table,
        index=element.index,
        bus=element.bus,
        sign=SIGNS[element.table],
        nominal_mw=element.p_mw,
        tan_phi=element.tan_phi if given.tan_phi is None else given.tan_phi,
        profile=element.profile if given.profile == OF_NET else given.profile,
        scale=given.scale,
    )


def _named(elements: Sequence[Element], table: str, which: str, grid: str, field: str) -> Element:
    """The element in service with an index or name."""
    matching = [e for e in elements if which == str(e.index)] or [e for e in elements if which == e.name]
    if len(matching) != 1:
        many = f"{len(matching)} elements of that name" if matching else "no such element"
        known = ", ".join(f"{table} {e.index}" + (f" ({e.name})" if e.name else "") for e in elements[:20])
        raise InputError(
            "scenario",
            field,
            f"{table} {shown(which)}: {grid} has {many}",
            f"Use an index; there are {known}" if known else f"Leave it out: {grid} has no {table}",
        )
    if not matching[0].live:
        problem = f"{table} {matching[0].index} of {grid} is out of service"
        raise InputError("scenario", field, problem, "Leave it out")
    return matching[0]
