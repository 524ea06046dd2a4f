"""Text, YAML, JSON, CSV, XML and Parquet files, read strictly: messages name the place of a mistake.

`text` reads files and prints names from outside safely, `yaml_reader` and `json_reader` read documents,
`csv_reader` and `xml_reader` read published tables and trees, `table_reader` reads tables of people's own as
cells of text, `decimals` defines what counts as a number. Look next at `sim.scenario`, whose files are read
here. To read a further kind of document, add a module with one ``read_...`` that raises `InputError` with
file, field and hint.
"""
