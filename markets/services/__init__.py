"""Markets beside the energy auctions: capacity, day-ahead schedules, curtailment, substitution.

Each module is one auction as a function of arrays. Look next at `agents.services`, which runs them over time.
A further service is a module here and a role there.
"""
