"""Finished runs side by side: differences of their key figures, and over seeds their intervals.

`runs` reads run folders, `groups` puts runs of one scheme and its rules together and refuses what cannot be
compared, `compare` takes the differences, `show` carries out ``tandem compare``. Look next at
docs/compare.md and `results.intervals`.
"""
