"""Time series of one's own: tables of numbers by time, checked, in UTC, without gaps.

`labels` turns local labels into UTC, `series` holds evenly spaced series and averages them over other steps,
`tables` reads CSV and Parquet, further modules read published formats, and `read` chooses between them.
`calendar` reads a series of one year in another. Look next at `io.profiles`, the measured profiles that are
always there. A further format is a module with one ``read_...`` that returns `LabelledRows`, and a line in
`read`.
"""
