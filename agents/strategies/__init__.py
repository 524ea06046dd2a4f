"""Bidding strategies, and how code of others is let in.

`strategy` defines what a strategy sees and answers, `learners`, `best_response` and `inc_dec` are
strategies, `registry` lists them by name, `allowed_code` and `time_limit` guard code of others. Look next
at docs/formats.md, "Strategies". A strategy of your own needs no change here: name it ``module:Class``.
"""
