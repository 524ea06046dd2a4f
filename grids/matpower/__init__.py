"""MATPOWER cases, as text or binary, without MATLAB: the language as far as cases use it, and the tables.

`read` makes a pandapower net; `tokens`, `statements`, `language`, `functions` and `values` carry out the
text; `binary` reads ``.mat``. Look next at `grids.io`. A further MATLAB function is an entry in
`functions`.
"""
