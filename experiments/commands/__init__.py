"""What each command of the command line does, once its options are read.

One module a command; `experiments.cli` has their options. Look next at `experiments.runs`.
"""
