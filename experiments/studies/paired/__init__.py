"""Runs that share their world, compared seed by seed: gate closure, and the integrated market.

`points` and `runs` make and compare runs, `accounts` says what a run bought and who paid. Look next at
docs/studies/timetables.md.
"""
