"""Bidding strategies, and the import of strategies written by users.

`strategy` defines inputs and outputs of a strategy; `learners`, `best_response` and `inc_dec` are strategies;
`registry` lists them by name; `allowed_code` and `time_limit` restrict code of users. Look next at
docs/scenario.md, "Strategies". A strategy of your own needs no change here: name it ``module:Class``.
"""
