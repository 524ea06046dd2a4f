"""Households of a scenario: those of a table, and what is drawn where the table gives nothing.

`columns` lists the columns of a table with unit and range, `table` reads one, `given` puts its values in the
place of drawn ones, `seats` finds the users of LV feeders, `summary` says what there is. Look next at
`agents.devices.population`, which draws. A further attribute of households is a column in `columns`, used in
`given`.
"""
