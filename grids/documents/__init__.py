"""Text, YAML, JSON, CSV and Parquet files, read strictly: messages name the place of a mistake.

`text` reads files and prints names from outside safely, `yaml_reader` and `json_reader` read documents,
`table_reader` reads tables as cells of text, `decimals` defines what counts as a number. Look next at
`sim.scenario`, whose files are read here. To read a further kind of document, add a module with one
``read_...`` that raises `InputError` with file, field and hint.
"""
