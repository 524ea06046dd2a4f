"""Studies of low-voltage feeders: operating envelopes and non-firm connections.

Each module runs one study. Look next at `grids.low_voltage`.
"""
