"""Observers: functions that are called after every gate, to collect data or to show progress.

An observer changes nothing in the model. With Mesa's own collector, after every delivered ISP:

```python
collector = mesa.DataCollector(agenttype_reporters={Household: {"kw": "power_kw"}})
run(scenario, folder, out, observers=[collecting(collector)])
```
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mesa

from tandem_sim.sim.model import FlexibilityModel, Observer


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
