"""Why a bid of a finished run was called, bounded, passed over or unpaid, in sentences.

`explain` says it, `markets` and `money` follow the bid through the tables, `reasons` finds what kept it
out. Look next at `experiments.run_folder`.
"""
