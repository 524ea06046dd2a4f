"""Devices behind meters: batteries, EVs, heat pumps, PV; their owners and their physics.

`models` has the physics, `population` draws households, `profile_window` holds the measured profiles,
`connection_limits` brings a household within the limits of its connection. Look next at `households`.
"""
