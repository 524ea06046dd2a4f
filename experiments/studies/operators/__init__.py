"""Studies of what operators do to each other: conflicts between purchases, and checks against them.

`checks` and `conflicts` run one study each. Look next at `experiments.studies.paired`.
"""
