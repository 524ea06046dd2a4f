"""The folder of a run: what it says of itself, its tables, and which files are Tandem's own.

`identity` names the world and the run, `manifest` and `tables` read folders that others wrote, `own_files`
and `outputs` write and remove. Look next at `experiments.results`.
"""
