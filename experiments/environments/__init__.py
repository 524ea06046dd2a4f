"""Markets as environments for reinforcement learning (PettingZoo, Gymnasium).

`api` makes them, `case` is one market instance, `simulated` a simulation. Look next at
docs/studies/learner.md.
"""
