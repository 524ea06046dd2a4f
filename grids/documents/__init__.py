"""Text, YAML and JSON that others wrote, read strictly: mistakes are refused with their place.

`text` reads files and shows strangers' names safely, `yaml_reader` and `json_reader` read documents,
`decimals` says what counts as a number. Look next at `sim.scenario`, whose files are read here. To read a
further kind of document, add a module with one ``read_...`` that raises `InputError` with file, field and
hint.
"""
