"""Devices behind meters: what every class of device must offer, their owners and their connections.

`device` has the protocol `DeviceGroup` and how a class is declared, `classes` has the classes, `contract`
tests one. `population` draws households, `profile_window` holds the measured profiles, `connection_limits`
brings a household within the limits of its connection, `study_view` is what a flexibility study sees. Look
next at `households`.
"""
