"""What a run costs in time and memory, by its length, households and DSOs.

`scaling` and `scale` run one study each. Look next at `experiments.bench`.
"""
