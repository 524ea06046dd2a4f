"""The numbers of ALEXANDER D3.3, chapter 4.3 (tables 4-2 to 4-8), by scheme and kind A, B, C, D."""

from __future__ import annotations

from collections.abc import Mapping

ByKind = tuple[float, float, float, float]

COMMON, AGGREGATION, QUALIFIED = "common", "aggregation", "multilevel-03"
SCHEMES_OF_CHAPTER_4 = (
    *(f"multilevel-0{k}" for k in range(1, 7)),
    AGGREGATION,
    COMMON,
)

INEFFICIENCY_PCT: Mapping[str, ByKind] = {  # table 4-2
    "multilevel-01": (3.09, -3.98, -4.54, 157.20),
    "multilevel-02": (3.09, 22.82, 23.99, 157.20),
    "multilevel-03": (3.09, 29.70, 20.18, 157.20),
    "multilevel-04": (3.09, 10.17, 0.00, 157.20),
    "multilevel-05": (-0.17, 11.06, 23.39, -53.54),
    "multilevel-06": (-0.17, 53.14, 8.81, -53.54),
    "aggregation": (0.31, 1.42, 1.17, 27.27),
    "common": (0.00, 0.00, 0.00, 0.00),
    "multilevel-03/uniform": (3.09, 66.8, 38.6, 157.20),  # table 4-8
    "multilevel-03/disqualify": (3.09, 41.8, 41.4, 157.20),
}

SAFE: ByKind = (0.0, 0.0, 0.0, 0.0)
CONGESTED_LINES: Mapping[str, ByKind] = {  # table 4-3
    "multilevel-01": (0, 40, 24, 0),
    "multilevel-02": (0, 18, 0, 0),
    "multilevel-05": (12, 17, 0, 12),
    "multilevel-06": (12, 0, 0, 12),
}
MAX_OVERLOAD_PCT: Mapping[str, ByKind] = {  # table 4-4
    "multilevel-01": (0, 167.40, 147.4, 0),
    "multilevel-02": (0, 265.73, 0, 0),
    "multilevel-05": (173.4, 110.13, 0, 173.4),
    "multilevel-06": (173.4, 0, 0, 173.4),
}
VOLTAGE_VIOLATIONS: Mapping[str, ByKind] = {  # table 4-5
    "multilevel-01": (0, 10, 9, 0),
    "multilevel-02": (0, 35, 0, 0),
    "multilevel-05": (0, 21, 0, 0),
}
MAX_VOLTAGE_VIOLATION_PCT: Mapping[str, ByKind] = {  # table 4-6
    "multilevel-01": (0, 21.19, 17.10, 0),
    "multilevel-02": (0, 31.80, 0, 0),
    "multilevel-05": (0, 18.34, 0, 0),
}
UNQUALIFIED_UP_PCT: Mapping[str, ByKind] = {  # tables 4-7 and 4-8
    "multilevel-03": (79.4, 75.6, 95.0, 79.4),
    "multilevel-06": (67.3, 100.0, 96.4, 67.3),
    "multilevel-03/uniform": (79.4, 75.6, 73.4, 79.4),
    "multilevel-03/disqualify": (88.6, 91.7, 89.9, 88.6),
}
UNQUALIFIED_DOWN_PCT: Mapping[str, ByKind] = {
    "multilevel-03": (100.0, 100.0, 71.7, 100.0),
    "multilevel-06": (98.0, 98.0, 98.2, 98.0),
    "multilevel-03/uniform": (100.0, 100.0, 100.0, 100.0),
    "multilevel-03/disqualify": (100.0, 100.0, 100.0, 100.0),
}
SECONDS: Mapping[str, ByKind] = {  # table 4-8
    "multilevel-03": (12.25, 8.71, 11.74, 11.56),
    "multilevel-03/uniform": (12.11, 9.82, 11.72, 11.90),
    "multilevel-03/disqualify": (512.80, 475.43, 551.17, 534.39),
}


def is_safe(scheme: str, kind: int) -> bool:
    """Whether the published outcome breaks no limit; `kind` counts from A = 0."""
    tables = (CONGESTED_LINES, VOLTAGE_VIOLATIONS)
    return all(table.get(scheme, SAFE)[kind] == 0 for table in tables)
