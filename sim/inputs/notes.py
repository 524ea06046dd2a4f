"""What a reader of results has to know about the inputs of a run: said by manifest, log and validate."""

from __future__ import annotations

from tandem_sim.grids.io.profiles import span
from tandem_sim.sim.scenario.scenario import Scenario

GIVEN_DAY_AHEAD = (
    "The day-ahead price is given ({}). Units follow the demand at least cost and do not set the price; "
    "whether they cover their cost says nothing about a market."
)
GIVEN_IMBALANCE = (
    "Imbalance prices are given ({}). They do not follow from the bids activated in the simulation, so what "
    "the TSO pays for balancing and what it is paid for imbalances need not agree."
)
OTHER_YEARS = (
    "Measured profiles of 2016 are read in other years: each day takes the day of 2016 of the same weekday "
    "that is nearest in the season; public holidays count as Sundays."
)


def notes_of(scenario: Scenario) -> list[str]:
    """What a scenario gives in place of what is modelled, and how series are read in other years."""
    prices, notes = scenario.prices, []
    if prices.day_ahead:
        notes.append(GIVEN_DAY_AHEAD.format(prices.day_ahead))
    if prices.imbalance:
        notes.append(GIVEN_IMBALANCE.format(prices.imbalance))
    if prices.imbalance_long:
        both = f"{prices.imbalance_long} for a surplus, {prices.imbalance_short} for a deficit"
        notes.append(GIVEN_IMBALANCE.format(both))
    if scenario.forecast.given:
        areas = ", ".join(given.area for given in scenario.forecast.given)
        notes.append(f"Forecasts are given for {areas}; mape and persistence concern the others.")
    first, end = span()
    calendar = scenario.calendar
    if calendar.start < first or calendar.end > end:
        notes.append(OTHER_YEARS)
    aligned = [given.file for given in scenario.profiles if given.year == "aligned"]
    if aligned:
        notes.append(f"Read in other years by season, weekday and public holiday: {', '.join(aligned)}.")
    return notes
