"""Devices behind meters: batteries, cars, heat pumps, PV; who owns them and how they move.

`models` has their physics, `population` draws households, `profile_window` the measured profiles they live
by, `connection_limits` what gives way first at a limited connection. Look next at `households`.
"""
