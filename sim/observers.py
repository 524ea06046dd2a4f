"""Observers: functions that are called after every gate, to collect data or to show progress.

An observer changes nothing in the model. With Mesa's own collector, after every delivered ISP:

```python
collector = mesa.DataCollector(agenttype_reporters={Household: {"kw": "power_kw"}})
run(scenario, folder, out, observers=[collecting(collector)])
```
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import mesa

if TYPE_CHECKING:
    from tandem_sim.sim.model import FlexibilityModel

Observer = Callable[["FlexibilityModel", str, Any], None]
"""Called with the model, a gate and what its closure was about: an ISP, the ISPs of a day, or blocks."""


def after_delivery(function: Callable[[int], None]) -> Observer:
    """An observer that calls a function with the number of every delivered ISP."""

    def observe(model: FlexibilityModel, gate: str, what: Any) -> None:
        if gate == "deliver":
            function(what)

    return observe


def collecting(collector: mesa.DataCollector) -> Observer:
    """An observer that has a collector of Mesa collect after every delivered ISP."""

    def observe(model: FlexibilityModel, gate: str, what: Any) -> None:
        if gate == "deliver":
            collector.collect(model)

    return observe
