"""Figures of one run that only ``tandem plot`` draws, one module a figure.

Figures that a run writes by itself are those of `experiments.figures`.
"""
