"""Coordination schemes by name: built in, installed, or those of users as ``module:SCHEME``.

A scheme of a user is a `Scheme`, or a function that makes one from the `Options` of the scenario or case. Its
code runs only if a person has allowed it. It is called by the name under which it was given.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tandem_sim.agents.strategies.allowed_code import SCHEMES, AllowedCode, describe, imported, installed
from tandem_sim.grids.documents.text import check_known, is_code_name
from tandem_sim.grids.errors import InputError
from tandem_sim.markets.choices import ABOUT
from tandem_sim.markets.coordination.block import Scheme
from tandem_sim.markets.schemes import Options, build_schemes
from tandem_sim.sim.scenario.scenario import Scenario, scheme_problems

FIELD = "scheme"


def scheme_of(scenario: Scenario, allowed: AllowedCode) -> Scheme:
    """The scheme of a scenario. Raises `InputError` if it cannot be had or does not fit the scenario."""
    scheme = scheme_named(scenario.scheme, scenario.scheme_options, allowed)
    if scenario.scheme not in ABOUT:
        for problem in scheme_problems(scenario, scheme):
            field, _, says = problem.partition(": ")
            raise InputError("scenario", field, says, "Change one of the values named")
    return scheme


def scheme_named(
    name: str, options: Options, allowed: AllowedCode, source: str = "scenario", field: str = FIELD
) -> Scheme:
    """The scheme of this name with these options.

    Raises `InputError` naming `source` and `field` for code that is not allowed, cannot be imported, fails,
    or is no scheme.
    """
    if name in ABOUT:
        return build_schemes(options)[name]
    found = imported(name, allowed, field, SCHEMES, source)
    if not isinstance(found, Scheme) and callable(found):
        try:
            found = found(options)
        except Exception as error:  # code of users may raise anything
            raise InputError(source, field, f"{name} fails: {describe(error)}", "Mend its code") from error
    if not isinstance(found, Scheme):
        problem = f"{name} is a {type(found).__name__} and no Scheme"
        advice = "Name a tandem_sim.Scheme, or a function from Options to one"
        raise InputError(source, field, problem, advice)
    return replace(found, name=name)


def check_scheme_names(source: str, names: Iterable[str], others: Iterable[str] = ()) -> None:
    """Raise `InputError` for a name that no scheme can have, beside `others`. Nothing is imported."""
    for name in names:
        if name not in ABOUT and not is_code_name(name):
            check_known(source, [name], [*others, *ABOUT, *installed(SCHEMES)])
