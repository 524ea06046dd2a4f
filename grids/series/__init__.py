"""Time series of one's own: tables of numbers by time, checked, in UTC, without gaps.

`labels` turns local labels into UTC, `series` holds evenly spaced series and averages them over other steps,
`tables` reads CSV and Parquet, `calendar` reads a series of one year in another, and `profiles` puts series
beside the measured profiles of `io.profiles`. Look next at `published`, which reads files of all formats.
"""
