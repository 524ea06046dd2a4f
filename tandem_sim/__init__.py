"""Tandem: how TSOs, DSOs and aggregators buy and activate flexibility on one grid."""

from pathlib import Path

_HERE = Path(__file__).parent
if not (_HERE / "grids").is_dir():  # a checkout whose links came out as plain files
    __path__.append(str(_HERE.parent))
