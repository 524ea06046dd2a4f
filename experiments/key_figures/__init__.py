"""The catalogue of key figures (KPIs): name, unit, sign, meaning and formula of each.

`catalogue` reads it from ``key_figures.csv`` beside this package, `page` writes its tables in docs/model.md.
Look next at `results.kpis`, which computes them. A further key figure is a line in the file; a test compares
the file with what runs have.
"""
