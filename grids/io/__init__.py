"""Grids and measured profiles in and out: files of several formats, SimBench, pandapower's own networks.

`read` is the one entrance, the modules beside it know one format each, `write` saves a net at a moment.
Look next at `network`. A further format is a module with ``read_...`` that returns a pandapower net, and a
line in `read`.
"""
