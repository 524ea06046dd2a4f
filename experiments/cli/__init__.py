"""The command line: options and help. Each command imports what it needs only when it is called.

`app` collects the commands, `choices` has the names for help and completion, `simulations`, `cases`,
`authoring`, `listings` and `results` declare the commands, `experiments.commands` carries them out. A new
command is a function in one of them, with its imports inside it, and a line in `app`. A test measures that
help and completion stay fast.
"""

from tandem_sim.experiments.cli.app import app, main

__all__ = ["app", "main"]
