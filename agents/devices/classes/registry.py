"""The classes of device, in the order of groups, of rows of table ``devices`` and columns of ``system``."""

from __future__ import annotations

from tandem_sim.agents.devices.classes import battery, ev, heat_pump, pv, v2g, water_heater
from tandem_sim.agents.devices.device import DeviceClass, StateColumn

CLASSES: tuple[DeviceClass, ...] = (
    pv.CLASS,
    battery.CLASS,
    ev.CLASS,
    heat_pump.CLASS,
    water_heater.CLASS,
    v2g.CLASS,
)
"""A new class comes last: bid ids and the order of groups depend on the place."""
DEVICES: tuple[str, ...] = tuple(known.name for known in CLASSES)
"""Their names."""
STATE_COLUMNS: tuple[StateColumn, ...] = tuple(column for known in CLASSES for column in known.columns)
"""Columns of table ``system`` that they fill."""
