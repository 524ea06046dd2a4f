"""Help with writing scenarios: a first one with comments, and the schema for editors.

`template` writes a scenario whose comments come from the fields, `schema` the JSON schema of scenarios and
sweeps. Look next at `runs.fields`, which lists the fields for the documentation.
"""
