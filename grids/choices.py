"""Options of grid models, by name.

Names only, so that help, completion and checks of typed input need no numerical library.
"""

from __future__ import annotations

from typing import Literal

Rule = Literal["optimal", "fair", "weighted"]
RULES: tuple[Rule, ...] = ("optimal", "fair", "weighted")
"""How guaranteed capacities of a low-voltage feeder are shared among its users."""

Points = Literal["any", "one-way"]
POINTS: tuple[Points, ...] = ("any", "one-way")
"""Whether users may choose freely within their capacities, or only all in the same direction (import or
export)."""

Offset = Literal["ac", "linear"]
OFFSETS: tuple[Offset, ...] = ("ac", "linear")
"""Base state of a DSO's linear model: by AC power flow, or by the linear model itself."""
