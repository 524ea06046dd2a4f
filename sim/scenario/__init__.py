"""A scenario: all input of a run, checked field by field.

`scenario` is the whole, `sections` and the other `..._section` modules are its parts, `quantities` defines
fields with unit, meaning and range, `described` lists them. Look next at docs/scenario.md. A further field is
a line in its section.
"""
