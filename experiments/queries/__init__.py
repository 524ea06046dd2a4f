"""Questions to finished runs: SQL over their tables, and their key figures with units and meanings.

`views` binds the tables of runs to a DuckDB database that can read and write nothing else, `query` carries
out ``tandem query``, `kpis` ``tandem kpis``. Look next at docs/query.md and `run_folder.tables`.
"""
