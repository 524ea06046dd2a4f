"""What a finished run says in numbers: key figures, statistics over seeds, tables for the terminal.

`kpis` computes the key figures, `run_data` the series that figures draw, `intervals` the confidence
intervals. Look next at `experiments.figures`. A further key figure is an entry in `kpis`, with its unit in
its name, and a line in `key_figures`.
"""
