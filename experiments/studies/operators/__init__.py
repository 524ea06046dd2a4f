"""Studies of interactions between operators: conflicting purchases, and bid checks.

`checks` and `conflicts` run one study each. See also `experiments.studies.paired`.
"""
