"""One scenario under many schemes, seeds and settings: in processes of this machine or on a Dask cluster.

`sweep` reads a sweep file, `runs` makes the runs, `local` and `dask` say where, `summary` compares over
seeds. The sweep files beside the code travel with Tandem. Look next at docs/sweeps.md.
"""
