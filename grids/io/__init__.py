"""Grids and measured profiles in and out: files of several formats, SimBench, pandapower's own networks.

`read` is the one entry point; each further module reads one format, and `write` saves a net in one state.
Look next at `network`. A further format is a module with ``read_...`` that returns a pandapower net, and a
line in `read`.
"""
