"""The folder of a run: manifest, tables, and the files that Tandem writes.

`identity` identifies the world and the run, `manifest` and `tables` read folders of unknown origin, `so_far`
reads those of unfinished runs, `own_files` and `outputs` write and remove files, `described` writes the
tables of columns in docs/formats.md. See also `experiments.results`.
"""
