"""MATPOWER cases, text or binary, without MATLAB: the part of the language that cases use, and the tables.

`read` makes a pandapower net; `tokens`, `statements`, `language`, `functions` and `values` execute the text;
`binary` reads ``.mat``. Look next at `grids.io`. A further MATLAB function is an entry in `functions`.
"""
