"""Options of a case: how it was cleared when it was written."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from tandem_sim.grids.choices import OFFSETS, Offset
from tandem_sim.grids.documents.text import is_code_name, shown
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.power_flow.operator_model import NO_MARGINS, Margins
from tandem_sim.grids.renames import renamed
from tandem_sim.markets.choices import CHOICES
from tandem_sim.markets.schemes import DEFAULTS, SCHEMES, Options

RANGES = {
    "aggregation_step_mw": (1e-3, 1e12),
    "mol_rounds": (1, 60),
    "flow_margin": (0, 0.9),
    "voltage_margin_pu": (0, 0.05),
    "reference_up_eur_per_mwh": (-1e6, 1e6),
    "reference_down_eur_per_mwh": (-1e6, 1e6),
}
"""Smallest and largest value of an option; otherwise zero and above."""
NAMES = {"scheme": tuple(SCHEMES), "offset": OFFSETS, **CHOICES}


@dataclass(frozen=True, kw_only=True)
class CaseOptions:
    """Defaults of a case: scheme (None: all), offset, margins, and the options of the schemes."""

    scheme: str | None = None
    offset: Offset = "linear"
    margins: Margins = NO_MARGINS
    options: Options = DEFAULTS
    price_limit_eur_per_mwh: float | None = None  # in size; None: no limit


NO_OPTIONS = CaseOptions()


def read_options(given: Any, path: Path, defaults: Options = DEFAULTS) -> CaseOptions:
    """The ``options`` of a case file; `defaults` apply to missing ones. Raises `InputError`."""
    if not isinstance(given, dict):
        raise InputError(str(path), "options", "is not a JSON object", "Give options by name")
    kinds = {f.name: type(getattr(defaults, f.name)) for f in fields(Options)}
    known = ("scheme", "offset", "flow_margin", "voltage_margin_pu", "price_limit_eur_per_mwh", *kinds)
    for key, value in given.items():
        if key not in known:
            new = renamed("option").get(key)
            problem = f"is called {new} now" if new else "is an unknown key"
            raise InputError(str(path), f"options.{key}", problem, f"Use {', '.join(known)} only")
        _check(key, value, kinds.get(key), path)
    margins = Margins(given.get("flow_margin", 0.0), given.get("voltage_margin_pu", 0.0))
    try:
        schemes = replace(defaults, **{key: kinds[key](given[key]) for key in kinds if key in given})
    except ValueError as error:
        raise InputError(str(path), "options", str(error), "Choose one of them") from error
    return CaseOptions(
        scheme=given.get("scheme"),
        offset=given.get("offset", "linear"),
        margins=margins,
        options=schemes,
        price_limit_eur_per_mwh=given.get("price_limit_eur_per_mwh"),
    )


def _check(key: str, value: Any, kind: type | None, path: Path) -> None:
    place = f"options.{key}"
    if key in NAMES:
        own = key == "scheme" and isinstance(value, str) and is_code_name(value)
        if value not in NAMES[key] and not own:
            raise InputError(
                str(path),
                place,
                f"is {shown(value)}, which is not known",
                f"Use one of {', '.join(NAMES[key])}",
            )
        return
    if kind is bool:
        if not isinstance(value, bool):
            raise InputError(str(path), place, f"is {shown(value)}", "Give true or false")
        return
    number = isinstance(value, int | float) and not isinstance(value, bool)
    low, high = RANGES.get(key, (0.0, 1e12))
    if not number or not low <= value <= high or (key == "mol_rounds" and value != int(value)):
        whole = "a whole number" if key == "mol_rounds" else "a number"
        raise InputError(str(path), place, f"is {shown(value)}", f"Give {whole} from {low:g} to {high:g}")
