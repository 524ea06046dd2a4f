"""Series as their publishers write them: ENTSO-E, SMARD, Elia, TenneT; and one entry for files of series.

`entsoe_xml` reads documents, `web_exports` the tables that web pages of ENTSO-E and SMARD export, `elia` and
`tennet` imbalance prices; `read` chooses between them and plain tables. Look next at `sim.inputs`. A further
format is a module with one ``read_...`` that returns `LabelledRows`, and a line in `read`.
"""
