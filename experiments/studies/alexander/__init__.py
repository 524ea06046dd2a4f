"""ALEXANDER D3.3, chapter 4, rebuilt on synthetic cases of four kinds, beside the published values.

`study` runs it, `cases` makes the cases, `published` holds the report's numbers. Look next at
docs/studies/alexander.md.
"""
