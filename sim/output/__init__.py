"""The tables of a run: columns and types, streamed to Parquet during the run.

`tables` lists all columns with their meanings and units (`columns`), `records` and `states` build the rows,
`recorder` writes them, `export_isp` exports one ISP as a case. Look next at docs/formats.md. A further column
is a line in `tables` and its value in `records`, then
``python -m tandem_sim.experiments.run_folder.described`` for the page.
"""
