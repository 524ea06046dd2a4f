"""Time: the SimPy clock, the calendar of settlement periods, the message bus, named random numbers.

`clock` calls gates in their declared order, `bus` delivers messages with latency, `randomness` gives every
draw its own stream, `interruption` ends a run between two ISPs. Look next at `sim.model`.
"""
