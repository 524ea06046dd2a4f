"""Contents of a report: what is read from runs, drawn and said.

`read` opens the runs, `markup` escapes text for HTML, `arrays` packs numbers. `series` and `maps` (places by
`layout`) are drawn by the page; `messages` and `money` are ready HTML and SVG. A further section
is a module here, and a line in `experiments.report.page`.
"""
