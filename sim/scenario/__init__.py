"""A scenario: everything a run is a function of, checked field by field.

`scenario` is the whole, `sections` and its neighbours its parts, `quantities` makes fields with unit, meaning
and range, `described` walks through them. Look next at docs/formats.md. A further field is a line in its
section.
"""
