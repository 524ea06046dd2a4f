"""What may be chosen of grid models, by name.

Names only, so that help, completion and checks of what a person typed need no library.
"""

from __future__ import annotations

from typing import Literal

Rule = Literal["optimal", "fair", "weighted"]
RULES: tuple[Rule, ...] = ("optimal", "fair", "weighted")
"""How guaranteed capacities of a low-voltage feeder are shared out."""

Points = Literal["any", "one-way"]
POINTS: tuple[Points, ...] = ("any", "one-way")
"""Whether users may choose freely within their capacities, or all go one way."""

Offset = Literal["ac", "linear"]
OFFSETS: tuple[Offset, ...] = ("ac", "linear")
"""Base state of a DSO's linear model: by AC power flow, or by the linear model itself."""
