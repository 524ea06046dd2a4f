"""The tables of a run: columns and types, streamed to Parquet as the run goes on.

`tables` lists all columns, `records` makes the rows, `recorder` writes them, `export_isp` takes one ISP out
as a case. Look next at docs/formats.md. A further column is a line in `tables` and its value in `records`.
"""
