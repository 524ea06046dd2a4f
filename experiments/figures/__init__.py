"""Figures of runs, comparisons and cleared cases.

`figures` draws all of a run folder, one module a figure, `style` how all of them look. Look next at
`experiments.results.run_data`. A further figure is a module with a function that returns a matplotlib
figure.
"""
