"""Drawings and tables of docs/concepts.md and docs/schemes.md, made from the code.

`python -m tandem_sim.experiments.drawings` writes them anew. `times`, `flows` and `models` collect the facts:
lead times, messages, payments, blocks. `canvas` and the modules `draw_...` turn them into figures, `tables`
into the tables of schemes. Tests compare facts with a run, and files with facts.
"""
