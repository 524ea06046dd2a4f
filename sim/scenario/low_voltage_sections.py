"""Sections of a scenario on low-voltage feeders, non-firm connections, and incidents on transmission."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any, Literal

from pydantic import model_validator

from tandem_sim.agents.non_firm.activation import Who
from tandem_sim.agents.non_firm.contracts import LimitKind, Terms
from tandem_sim.agents.non_firm.substitution import Substitute
from tandem_sim.grids.choices import Points, Rule
from tandem_sim.sim.scenario.quantities import (
    MOST_MW,
    BusIndex,
    Hour,
    Moment,
    Section,
    about,
    cost,
    count,
    flag,
    grid_name,
    number,
    several,
    share,
)
from tandem_sim.sim.scenario.sections import Name

PRESETS: dict[str, dict[str, Any]] = {
    # Bundesnetzagentur (2023), as cited in ALEXANDER D3.3, 3.5.1: 4.2 kW are guaranteed to each customer. The
    # rule is on controllable consumption; here it holds for the net import of the connection.
    "germany": {"sides": "import", "guaranteed_import_kw": 4.2},
    # Liu, Ochoa, Wong and Theunissen (2022), as cited there: 5 kW either way.
    "australia": {"sides": "both", "guaranteed_import_kw": 5.0, "guaranteed_export_kw": 5.0},
    # ALEXANDER D3.3, 2.3.3: up to 5 % of yearly generation may be curtailed without compensation (there for
    # generators above 150 kVA). The price of what is compensated is synthetic.
    "wallonia": {
        "sides": "export",
        "guaranteed_export_kw": 0.0,
        "free_share": 0.05,
        "compensation_eur_per_mwh": 60.0,
    },
    # ALEXANDER D3.3, 3.5.1, its example: up to ten times a year for at most one hour each time.
    "ten-hours": {"activations_per_year": 10, "hours_each": 1.0},
}
"""Contracts of countries and examples, each with its source."""


class BandSettings(Section):
    """Limits of a low-voltage feeder."""

    low_pu: float = number("Lowest voltage at its users.", "p.u.", (0.5, 1.5), 0.9, usual=(0.85, 1.0))
    high_pu: float = number("Highest voltage at its users.", "p.u.", (0.5, 1.5), 1.1, usual=(1.0, 1.15))
    loading: float = number(
        "Highest current, as a share of rated current.", "p.u.", (0.01, 10.0), 1.0, usual=(0.5, 1.5)
    )

    @model_validator(mode="after")
    def _in_order(self) -> BandSettings:
        if self.low_pu >= self.high_pu:
            raise ValueError(f"low_pu {self.low_pu:g} must lie below high_pu {self.high_pu:g}")
        return self


class PlugInSettings(Section):
    """Simultaneous EV plug-in before a journey: at a local time, with charging at full power."""

    at: Moment = about("Local time at which all EVs of the feeder are plugged in.")
    kwh: float = number("Energy that each EV needs.", "kWh", (0.1, 500.0), 30.0, usual=(5.0, 100.0))

    @model_validator(mode="after")
    def _local(self) -> PlugInSettings:
        if self.at.tzinfo is not None:
            raise ValueError("at is a local time of the scenario's zone, without an offset")
        return self


class LvFeederSettings(Section):
    """Low-voltage feeders at one bus of an area: `copies` of a net, each with households of that bus."""

    name: Name = about("Name of the LV feeder.")
    area: Name = about("Area it belongs to.")
    bus: BusIndex = about("Bus of the area's grid that supplies it.")
    grid: str = grid_name("Net of the feeder, as for other grids.")
    copies: int = count("Number of such feeders.", (1, 200), 1, usual=(1, 50))
    connection_kw: float = number("Capacity of a connection.", "kW", (0.1, 1000.0), 9.2, usual=(2.0, 50.0))
    source_vm_pu: float | None = number(
        "Voltage at its head (none: that of the net).", "p.u.", (0.5, 1.5), None, usual=(0.9, 1.1)
    )
    band: BandSettings = about("Limits of the feeder.", BandSettings())
    plug_in: PlugInSettings | None = about("Simultaneous EV plug-in before a journey.", None)
    own_aggregator: bool = flag("Whether the feeder has an aggregator of its own, for it alone.", False)

    @property
    def names(self) -> list[str]:
        """Names of its copies."""
        return [self.name if self.copies == 1 else f"{self.name}-{k + 1}" for k in range(self.copies)]


class WindowSettings(Section):
    """Hours of every day in which limits always hold (time of use), local time."""

    from_hour: Hour = about("Local hour from which limits hold.", unit="h")
    to_hour: Hour = about("Local hour until which limits hold.", unit="h")

    @model_validator(mode="after")
    def _in_order(self) -> WindowSettings:
        if self.from_hour >= self.to_hour:
            raise ValueError(f"from_hour {self.from_hour} must lie before to_hour {self.to_hour}")
        return self


def guaranteed(meaning: str) -> Any:
    """A guaranteed capacity; None: that of the feeder's operating envelope."""
    return number(meaning, "kW", (0.0, 1000.0), None, usual=(0.0, 50.0))


class NonFirmSettings(Section):
    """Non-firm connection agreements of the households on low-voltage feeders."""

    enabled: bool = flag("Whether there are such agreements.", False)
    preset: Literal["germany", "australia", "wallonia", "ten-hours"] | None = about(
        "Contract of a country; it sets several of the other fields.", None
    )
    participation: float = share("Share of users under contract, drawn per feeder.", 1.0)
    sides: Literal["both", "import", "export"] = about("Direction that is limited.", "both")
    guaranteed_import_kw: float | None = guaranteed("Guaranteed import (none: by operating envelope).")
    guaranteed_export_kw: float | None = guaranteed("Guaranteed export (none: by operating envelope).")
    rule: Rule = about("How the operating envelope is allocated to users.", "fair")
    points: Points = about("Use for which the envelope must hold: any, or all users one way.", "one-way")
    permanent: bool = flag("Whether limits hold at all hours.", False)
    windows: list[WindowSettings] = several("Hours of every day in which limits hold.", 24, [])
    activations_per_year: int | None = count(
        "Activations of a contract per year, at most (none: no limit).",
        (1, 100_000),
        None,
        unit="1/a",
        usual=(1, 1000),
    )
    hours_each: float | None = number(
        "Longest activation (none: no limit); not below an ISP.",
        "h",
        (0.05, 8784.0),
        None,
        usual=(0.25, 24.0),
    )
    notice_minutes: float = number(
        "Least notice of an activation before delivery.",
        "min",
        (0.0, 600.0),
        0.0,
        usual=(0.0, 120.0),
    )
    limits: LimitKind = about("Limits at the guaranteed capacity, or set per ISP and no lower.", "static")
    compensation_eur_per_mwh: float = cost("Paid for energy withheld.", 0.0)
    free_share: float = share(
        "Share of a year's PV generation that may be withheld without compensation.", 0.0
    )
    who: Who = about("Users that are limited: all under contract, or the fewest needed.", "all")
    flow_margin: float = share("Share of each rating kept free.", 0.05, most=0.9, usual=(0.0, 0.2))
    voltage_margin_pu: float = number(
        "Distance kept from each voltage limit.", "p.u.", (0.0, 0.05), 0.002, usual=(0.0, 0.02)
    )
    role: Literal["prequalification", "correction"] = about(
        "When connection limits are set: before bids are sent, or after the markets.", "correction"
    )
    substitution: list[Substitute] = several("Who may substitute sold energy that limits block.", 3, [])
    trading: bool = flag("Whether limited users buy curtailment from others of the feeder.", False)
    trade_value_eur_per_mwh: float = number(
        "Value of import that a limit withholds, for all buyers (synthetic).",
        "EUR/MWh",
        (0.01, 99_999.0),
        200.0,
        usual=(1.0, 5000.0),
    )

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
        """Whether limits hold at times known from the start, without activation."""
        return self.permanent or bool(self.windows)

    @property
    def terms(self) -> Terms:
        """Terms of the contract besides capacities."""
        return Terms(
            permanent=self.always,
            activations_per_year=self.activations_per_year,
            hours_each=self.hours_each,
            notice_minutes=self.notice_minutes,
            limits=self.limits,
            compensation_eur_per_mwh=self.compensation_eur_per_mwh,
            free_share=self.free_share,
        )


class IncidentSettings(Section):
    """An unforeseen change of injection on transmission, between two local times."""

    bus: BusIndex = about("Bus of the transmission grid.")
    mw: float = number("Change of injection.", "MW", (-MOST_MW, MOST_MW), usual=(-2000.0, 2000.0))
    start: Moment = about("Local time of its beginning.")
    end: Moment = about("Local time of its end.")

    @model_validator(mode="after")
    def _in_order(self) -> IncidentSettings:
        if self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise ValueError("start and end are local times of the scenario's zone, without an offset")
        if self.start >= self.end:
            raise ValueError("start must lie before end")
        return self

    @property
    def order(self) -> tuple[int, datetime, datetime, float]:
        """Sort key of incidents."""
        return self.bus, self.start, self.end, self.mw
