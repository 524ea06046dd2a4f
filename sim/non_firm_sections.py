"""Sections of a scenario on low-voltage feeders, non-firm connections, and incidents on transmission."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tandem_sim.agents.contracts import LimitKind, Terms
from tandem_sim.agents.non_firm import Who
from tandem_sim.agents.remedies import Remedy
from tandem_sim.grids.choices import Points, Rule
from tandem_sim.sim.sections import BusIndex, Count, Finite, Name, NotNegative, Positive, Section, Share

Hour = Annotated[int, Field(ge=0, le=24, strict=True)]

PRESETS: dict[str, dict[str, Any]] = {
    # Bundesnetzagentur (2023), as cited in ALEXANDER D3.3, 3.5.1: 4.2 kW are guaranteed to each customer. The
    # rule is on controllable consumption; here it holds for the net import of the connection.
    "germany": {"sides": "import", "guaranteed_import_kw": 4.2},
    # Liu, Ochoa, Wong and Theunissen (2022), as cited there: 5 kW either way.
    "australia": {"sides": "both", "guaranteed_import_kw": 5.0, "guaranteed_export_kw": 5.0},
    # ALEXANDER D3.3, 2.3.3: up to 5 % of yearly generation may be curtailed without compensation (there for
    # generators above 150 kVA). The price of what is compensated is synthetic.
    "wallonia": {
        "sides": "export", "guaranteed_export_kw": 0.0, "free_share": 0.05, "compensation_eur_per_mwh": 60.0,
    },
    # ALEXANDER D3.3, 3.5.1, its example: up to ten times a year for at most one hour each time.
    "ten-hours": {"activations_per_year": 10, "hours_each": 1.0},
}  # fmt: skip
"""Contracts as countries know them, each with its source."""


class BandSettings(Section):
    """Limits of a low-voltage feeder: voltage at its users (p.u.), loading as a share of rated current."""

    low_pu: Annotated[float, Field(gt=0.5, lt=1.5)] = 0.9
    high_pu: Annotated[float, Field(gt=0.5, lt=1.5)] = 1.1
    loading: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] = 1.0

    @model_validator(mode="after")
    def _in_order(self) -> BandSettings:
        if self.low_pu >= self.high_pu:
            raise ValueError(f"low_pu {self.low_pu:g} must lie below high_pu {self.high_pu:g}")
        return self


class RushSettings(Section):
    """The evening before a journey: cars are plugged in at a local time, to be charged at once."""

    at: datetime
    kwh: Positive = 30.0

    @model_validator(mode="after")
    def _local(self) -> RushSettings:
        if self.at.tzinfo is not None:
            raise ValueError("at is a local time of the scenario's zone, without an offset")
        return self


class StreetSettings(Section):
    """Low-voltage feeders below one bus of an area: `copies` of a net, each taking households of that bus."""

    name: Name
    area: Name
    bus: BusIndex
    grid: str
    copies: Annotated[Count, Field(le=200)] = 1
    connection_kw: Positive = 9.2
    source_vm_pu: Annotated[float, Field(gt=0.5, lt=1.5)] | None = None  # None: as in the net
    band: BandSettings = BandSettings()
    rush: RushSettings | None = None
    own_aggregator: bool = False  # a pool of its own serves this street, and nobody else


class WindowSettings(Section):
    """Hours of every day in which limits always hold (time of use), local time."""

    from_hour: Hour
    to_hour: Hour

    @model_validator(mode="after")
    def _in_order(self) -> WindowSettings:
        if self.from_hour >= self.to_hour:
            raise ValueError(f"from_hour {self.from_hour} must lie before to_hour {self.to_hour}")
        return self


class NonFirmSettings(Section):
    """Non-firm connection agreements of the households on low-voltage feeders."""

    enabled: bool = False
    preset: Literal["germany", "australia", "wallonia", "ten-hours"] | None = None
    participation: Share = 1.0  # share of users under contract, drawn by feeder
    sides: Literal["both", "import", "export"] = "both"
    guaranteed_import_kw: NotNegative | None = None  # None: from the operating envelope of the feeder
    guaranteed_export_kw: NotNegative | None = None
    rule: Rule = "fair"
    points: Points = "one-way"
    permanent: bool = False
    windows: list[WindowSettings] = Field(default=[])
    activations_per_year: Count | None = None
    hours_each: Positive | None = None
    notice_minutes: NotNegative = 0.0
    limits: LimitKind = "static"
    compensation_eur_per_mwh: NotNegative = 0.0
    free_share: Share = 0.0
    who: Who = "all"
    flow_margin: Annotated[Share, Field(le=0.9)] = 0.05
    voltage_margin_pu: Annotated[NotNegative, Field(le=0.05)] = 0.002
    role: Literal["prequalification", "correction"] = "correction"
    remedies: list[Remedy] = Field(default=[])
    trading: bool = False
    trade_value_eur_per_mwh: Positive = 200.0  # of import that a limit withholds (synthetic)

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, data: Any) -> Any:
        if not (isinstance(data, dict) and isinstance(data.get("preset"), str)):
            return data
        known = PRESETS.get(data["preset"], {})
        for key, value in known.items():
            if data.get(key) not in (None, value):
                raise ValueError(
                    f"preset {data['preset']} has {key} {value}, and {key} {data[key]} is given: "
                    "leave one out (null where it is inherited)"
                )
        return {**data, **known}

    @model_validator(mode="after")
    def _consistent(self) -> NonFirmSettings:
        for a, b in pairwise(sorted(self.windows, key=lambda w: w.from_hour)):
            if b.from_hour < a.to_hour:
                raise ValueError(
                    f"windows {a.from_hour}-{a.to_hour} and {b.from_hour}-{b.to_hour} overlap: "
                    "a contract is activated once at a time"
                )
        for side, kw in (("import", self.guaranteed_import_kw), ("export", self.guaranteed_export_kw)):
            if kw is not None and self.sides not in ("both", side):
                raise ValueError(f"guaranteed_{side}_kw is given, but sides {self.sides} leaves {side} free")
        if self.permanent and self.windows:
            raise ValueError("windows: a permanent contract holds at all hours, leave them out")
        if self.always and (self.limits == "dynamic" or self.trading):
            raise ValueError("limits dynamic and trading are for contracts that a DSO activates")
        if (self.permanent or self.windows) and (self.activations_per_year or self.hours_each):
            raise ValueError(
                "activations_per_year and hours_each are for temporary contracts, which a DSO activates"
            )
        return self

    @property
    def always(self) -> bool:
        """Whether limits hold at times known from the start, and nobody activates them."""
        return self.permanent or bool(self.windows)

    @property
    def terms(self) -> Terms:
        """What the contract says besides capacities."""
        return Terms(
            self.always, self.activations_per_year, self.hours_each, self.notice_minutes, self.limits,
            self.compensation_eur_per_mwh, self.free_share,
        )  # fmt: skip


class IncidentSettings(Section):
    """A change of injection on transmission that nobody foresees, between two local times."""

    bus: BusIndex
    mw: Finite
    start: datetime
    end: datetime

    @model_validator(mode="after")
    def _in_order(self) -> IncidentSettings:
        if self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise ValueError("start and end are local times of the scenario's zone, without an offset")
        if self.start >= self.end:
            raise ValueError("start must lie before end")
        return self

    @property
    def order(self) -> tuple[int, datetime, datetime, float]:
        """What incidents are sorted by."""
        return self.bus, self.start, self.end, self.mw
