"""``make bench``: speed of the parts that matter, each beside a limit measured in the same run.

`figure` takes times, the other modules one subject each. A further measurement is a function in one of
them.
"""
