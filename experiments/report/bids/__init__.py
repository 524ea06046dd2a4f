"""Bids in a report: `market` shows those of one ISP, `held` what DSOs held back from the TSO.

Both make ready HTML with `experiments.report.parts`.
"""
