"""What ``tandem validate`` says on load and grids of a scenario without activation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from tandem_sim.agents.devices.classes.registry import CLASSES
from tandem_sim.agents.devices.device import DeviceClass
from tandem_sim.grids.errors import printable
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.sim.calibration.grid_states import BranchLoading, BusVoltage, GridState, grid_states
from tandem_sim.sim.calibration.load import GridLoad, Load, load_of
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.model import FlexibilityModel
from tandem_sim.sim.scenario.scenario import Scenario
from tandem_sim.sim.scenario.sections import GridSettings

MOST_NAMED = 3
"""Most branches or buses beyond their limits that a line names."""
MOST_AREAS = 20
"""Areas that are listed; of more, those with the largest peaks."""

STORAGES = (
    "  Storages of the grid stand in generation when they feed in, in other when they charge; "
    "batteries are those of households."
)


def calibration_lines(model: FlexibilityModel, scenario: Scenario) -> list[str]:
    """Energies, net load, and power flows at its extremes, for a model just built; a line each."""
    load = load_of(model, scenario.transmission.load_scale)
    shown = _largest(load.grids)
    states = list(grid_states(model, Load(tuple(shown), load.days), scenario.units))
    left_out = len(load.grids) - len(shown)
    energies, extremes = _how(load, model.calendar)
    return [
        f"Net load without activation, consumption less generation ({extremes}); {T} includes all areas:",
        *table(_POWER, [_power(grid, model.calendar) for grid in shown]),
        *([f"  {left_out} more areas with smaller peaks; {T} includes them."] if left_out else []),
        f"Energy without activation, MWh ({energies}); generation: that of injections with a profile; "
        "households: their share in consumption:",
        *_energies(shown),
        *(
            [STORAGES]
            if any(_has_storage(g) for g in (scenario.transmission, *scenario.distribution))
            else []
        ),
        "Power flow without activation at these times (units at least cost, without ramps):",
        *(line for state in states for line in _state_lines(state)),
    ]


def _has_storage(grid: GridSettings) -> bool:
    return any(injection.element.split(" ")[0] == "storage" for injection in grid.injections)


def _largest(grids: Sequence[GridLoad]) -> list[GridLoad]:
    """The areas that are listed, in their order, and transmission."""
    *areas, transmission = grids
    kept = sorted(areas, key=lambda grid: -grid.peak.net_mw)[:MOST_AREAS]
    return [*(area for area in areas if area in kept), transmission]


def _how(load: Load, calendar: Calendar) -> tuple[str, str]:
    """How energies, and how peaks and lowest net loads, were found."""
    if load.days is None:
        return (f"all {calendar.n_isp} ISPs simulated",) * 2
    days = f"of {load.days} simulated days, which have the extremes of the profiles without EVs and batteries"
    return f"by the profiles of all {calendar.n_isp} ISPs, without batteries", days


_POWER = "grid", "nominal MW", "peak MW", "at", "lowest MW", "at"


def _listed(grids: Sequence[GridLoad]) -> list[DeviceClass]:
    """Classes of device with a column: those whose shares stand in `population`, and others that exist."""
    return [
        known
        for known in reversed(CLASSES)
        if not known.share or any(grid.device_mwh[known.name] for grid in grids)
    ]


def _energies(grids: Sequence[GridLoad]) -> Iterator[str]:
    """Energies of every grid."""
    listed = _listed(grids)
    titles = (known.title for known in listed)
    head = ("grid", "net", "inflexible", *titles, "generation", "other", "households %")
    return table(head, [_energy(grid, listed) for grid in grids])


def _power(grid: GridLoad, calendar: Calendar) -> tuple[str, ...]:
    ends = [(_number(end.net_mw), _local(end.isp, calendar)) for end in (grid.peak, grid.low)]
    return grid.name, _number(grid.nominal_mw), *ends[0], *ends[1]


def _local(isp: int, calendar: Calendar) -> str:
    return f"{calendar.time(calendar.seconds(isp)).tz_convert(calendar.zone):%a %d %b %Y %H:%M}"


def _energy(grid: GridLoad, listed: Sequence[DeviceClass]) -> tuple[str, ...]:
    devices = grid.inflexible_mwh, *(grid.device_mwh[known.name] for known in listed)
    share = _number(100.0 * grid.household_share, 3)
    others = grid.generation_mwh, grid.other_mwh
    return grid.name, *map(_number, (grid.net_mwh, *devices, *others)), share


def _number(value: float, digits: int = 4) -> str:
    """A number with so many digits, "-" for none.

    >>> _number(123456.7), _number(0.012345), _number(-0.0), _number(float("nan"))
    ('123 457', '0.01235', '0', '-')
    """
    if np.isnan(value):
        return "-"
    rounded = float(f"{value:.{digits}g}") if abs(value) < 10**digits else float(round(value))
    text = f"{rounded + 0.0:,.10g}" if rounded else "0"
    return text.replace(",", " ")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Rows below their heads, the first column to the left, others to the right."""
    cells = [head, *rows]
    widths = [max(len(row[k]) for row in cells) for k in range(len(head))]
    for first, *others in cells:
        right = "  ".join(f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))
        yield f"  {first:<{widths[0]}}  {right}"


def _state_lines(state: GridState) -> Iterator[str]:
    """The state of a grid at its peak or lowest net load; a line with "!" for each limit broken."""
    begin = f"{state.name} {state.moment}"
    if state.missing_mw:
        much = "above the capacity" if state.missing_mw > 0 else "below the least power"
        yield f"! {begin}: net load is {_number(abs(state.missing_mw))} MW {much} of all units"
    if not state.converged or state.lowest is None or state.highest is None:
        yield f"! {begin}: the power flow has no solution"
        return
    worst = "no branch has a rating" if state.worst is None else f"worst branch {_branch(state.worst)}"
    yield f"  {begin}: {worst}; voltages {_bus(state.lowest)} to {_bus(state.highest)} p.u."
    for found, named, what in (
        (len(state.overloaded), map(_branch, state.overloaded[:MOST_NAMED]), "branches overloaded"),
        (len(state.outside), map(_bus, state.outside[:MOST_NAMED]), "buses outside their voltage band"),
    ):
        if found:
            more = ", ..." if found > MOST_NAMED else ""
            yield f"! {begin}: {what} without activation, {found}: {', '.join(named)}{more}"


def _branch(branch: BranchLoading) -> str:
    return f"{branch.label}{_named(branch.name)} {branch.percent:.1f} %"


def _bus(bus: BusVoltage) -> str:
    return f"{bus.vm_pu:.3f} (bus {bus.bus}{_named(bus.name)})"


def _named(name: str) -> str:
    return f' "{printable(name, 40)}"' if name else ""
