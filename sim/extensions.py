"""Extensions: functions of users that add agents, roles or observers to a model, without a change of Tandem.

A scenario names them as ``module:function``; their code runs only if a person has allowed it. A function gets
the model, complete but for its gates, and the options of the scenario:

```python
def add_watcher(model, system="D1"):
    model.add_agent(Watcher(model, "watcher", model.context("watcher"), system))
    model.tso.add_role(Logbook(model.tso))
    model.observers.append(lambda model, gate, what: ...)
```
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import mesa

from tandem_sim.agents.strategies.allowed_code import EXTENSIONS, AllowedCode, describe, imported
from tandem_sim.grids.errors import InputError
from tandem_sim.sim.scenario.sections import ExtensionSettings


def extend(model: mesa.Model, extensions: Sequence[ExtensionSettings], allowed: AllowedCode) -> None:
    """Have the extensions of a scenario add to a model, in their order.

    Raises `InputError` naming the field for code that is not allowed, cannot be imported, does not take its
    options, or fails.
    """
    for k, given in enumerate(extensions):
        field = f"extensions.{k}"
        function = imported(given.name, allowed, f"{field}.name", EXTENSIONS)
        try:
            inspect.signature(function).bind(model, **given.options)
        except TypeError as error:
            raise InputError(
                "scenario",
                f"{field}.options",
                f"{given.name} does not accept them ({error})",
                "It is called with the model and with its options as keyword arguments",
            ) from error
        try:
            function(model, **given.options)
        except Exception as error:  # code of users may raise anything
            raise InputError(
                "scenario", f"{field}.name", f"{given.name} fails: {describe(error)}", "Mend its code"
            ) from error
