"""A case: one market instance as a folder of files, and its clearing under one scheme or all.

`case.read_case` and `read_bids` read it, `clear.clear_case` clears it, `cost_allocation` shares its cost,
`write` writes one from a run. Look next at `markets.schemes`. A further option is a field of
`options.CaseOptions`.
"""
