"""Text, YAML, JSON, CSV and XML files, read strictly: mistakes are refused, the message names their place.

`text` reads files and prints names from outside safely, `yaml_reader` and `json_reader` read documents,
`csv_reader` and `xml_reader` read published tables and trees, `decimals` defines what counts as a number.
Look next at `sim.scenario`, whose files are read here. To read a further kind of document, add a module with
one ``read_...`` that raises `InputError` with file, field and hint.
"""
