"""The command line: what a person types. Each command imports what it needs only when it is called.

`app` puts the commands together, `choices` knows the names that may be typed, `simulations`, `cases`,
`listings` and `results` hold the commands; `experiments.commands` says what each does. A new command is a
function in one of them, with its imports inside it, and a line in `app`; a test measures that help and
completion stay quick.
"""

from tandem_sim.experiments.cli.app import app, main

__all__ = ["app", "main"]
