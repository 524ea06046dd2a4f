"""Markets beside the energy auctions: capacity, day-ahead schedules, curtailment, replacement energy.

Each module is one auction as a function of arrays. Look next at `agents.services`, which holds them in
time. A further service is a module here, a role there.
"""
