"""Code named in files, which is imported only with permission of the person who runs Tandem.

A file may name a class as ``module:Class``. Importing a module runs its code, so it is imported only if a
person allowed the module on the command line or in Python, never because of a file. A class that an installed
distribution registers as an entry point needs no permission: its installation is the permission.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from itertools import accumulate
from pathlib import Path
from typing import Any

from tandem_sim.grids.documents.text import hint, is_code_name, is_module_name, one_line
from tandem_sim.grids.errors import InputError, present

GROUP, EXTENSIONS = "tandem_sim.strategies", "tandem_sim.extensions"
SCHEMES, BASELINES = "tandem_sim.schemes", "tandem_sim.baselines"
"""Groups of entry points: a name for scenarios, and the ``module:Class`` it means."""
LISTED = {GROUP: " (tandem strategies)", SCHEMES: " (tandem schemes)"}
"""Commands that list the names of a group."""
FLAG = "--allow-code"


@dataclass(frozen=True)
class AllowedCode:
    """Modules that a person has allowed to import. They are part of no scenario and of no run's identity."""

    modules: tuple[str, ...] = ()

    @classmethod
    def of(cls, modules: Iterable[str]) -> AllowedCode:
        """Check names of modules. Raises `InputError` for a text that is no module name."""
        if isinstance(modules, str):
            raise InputError(FLAG, modules, "is one name", "Give a list of names of modules")
        names = tuple(modules)
        for name in names:
            if not is_module_name(name) or name.endswith(".py"):
                meant = name.partition(":")[0].removesuffix(".py")
                advice = (
                    f"Give {meant}"
                    if is_module_name(meant)
                    else "Give it as Python imports it, say my.module"
                )
                raise InputError(FLAG, repr(name), "is no name of a module", advice)
        return cls(names)

    def covers(self, module: str) -> bool:
        """Whether a module may be imported: it, or a package that contains it, is allowed."""
        return any(module == name or module.startswith(f"{name}.") for name in self.modules)

    def check(self, name: str, source: str, field: str) -> None:
        """Raise `InputError` if a `field` of the file `source` names code, ``module:Class``, not allowed."""
        module = module_of(name)
        if module is not None and not self.covers(module):
            raise InputError(
                source,
                field,
                f"names {name}, code that is not imported without permission",
                f"If you trust it: {FLAG} {module}",
            )


NO_CODE = AllowedCode()


def module_of(name: str) -> str | None:
    """The module of ``module:Class``; None for a plain name."""
    module, colon, _ = name.partition(":")
    return module if colon else None


def check_code_name(name: str, built_in: Collection[str], what: str, group: str) -> None:
    """Raise ValueError for a name that is not built in, not installed in the `group`, and no ``module:name``.

    `what` is what it would name, for the message. Nothing is imported.
    """
    module, _, attribute = name.partition(":")
    if module.endswith(".py") or "/" in module:
        stem = module.rpartition("/")[2].removesuffix(".py")
        raise ValueError(
            f"{name} is a file. Name its module and class, such as {stem}:{attribute or 'MyClass'}"
        )
    if name in built_in or is_code_name(name):
        return
    if module_of(name) is not None:
        raise ValueError(f"{name} cannot be imported: it is no module:Class")
    if name not in (others := installed(group)):
        raise ValueError(f"{name} is no {what}. {hint(name, [*built_in, *others])}")


def installed(group: str = GROUP) -> dict[str, list[EntryPoint]]:
    """Entry points of installed distributions in a group, by name; nothing is imported.

    Metadata in the current folder do not count as installed, although ``python -m`` finds modules there: the
    folder may hold files of others.
    """
    here = Path.cwd().resolve()
    found: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=group):
        if entry.dist is not None and Path(str(entry.dist.locate_file(""))).resolve() != here:
            found.setdefault(entry.name, []).append(entry)
    return found


def imported(
    name: str, allowed: AllowedCode, field: str, group: str = GROUP, source: str = "scenario"
) -> Any:
    """Import ``module:Class`` or an entry point by name: its code runs.

    Raises `InputError`, naming `source` and `field`, if it is not allowed or cannot be imported.
    """
    allowed.check(name, source, field)
    module, _, attribute = name.partition(":")
    entry = None if attribute else _only(name, source, field, group)
    try:  # code of users may raise anything
        return getattr(import_module(module), attribute) if entry is None else entry.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise InputError(
            source,
            field,
            f"{name} cannot be imported ({describe(error)})",
            "Name module:Class of a module that is installed or on PYTHONPATH, and that can be imported",
        ) from error


def _only(name: str, source: str, field: str, group: str) -> EntryPoint:
    """The entry point of a name. `InputError` if there is none, or if several distributions have one."""
    entries = installed(group).get(name, [])
    if len(entries) == 1:
        return entries[0]
    if entries:
        several = ", ".join(f"{origin(entry)} ({entry.value})" for entry in entries)
        raise InputError(
            source,
            field,
            f"{name} is registered by several distributions: {several}",
            f"Uninstall all but one, or name module:Class and pass {FLAG}",
        )
    raise InputError(
        source,
        field,
        f"{name} cannot be imported (no installed distribution registers it)",
        f"Name one that is built in or installed{LISTED.get(group, '')}, or module:Class and pass {FLAG}",
    )


def origin(entry: EntryPoint) -> str:
    """Distribution and version of an entry point."""
    dist = present(entry.dist, f"the distribution of {entry.name}")  # `installed` leaves the others out
    return f"{dist.name} {dist.version}"


def describe(error: BaseException) -> str:
    """Type and message of an error raised by code of users, on one short line."""
    try:
        message = one_line(error)
    except Exception:  # noqa: BLE001 - its own text may be code that fails
        message = ""
    return f"{type(error).__name__}: {message[:300]}".removesuffix(": ")


def source_files(names: Iterable[str]) -> list[Path]:
    """Files that classes come from, of names as `imported` takes them. Nothing is imported.

    For a module in a package these are all files of the outermost package, since they may import each other;
    for any other module its one file. Modules that are not found, or are no file, are left out: a run that
    needs them raises an error.
    """
    known: list[Mapping[str, list[EntryPoint]]] = []
    modules: set[str] = set()
    for name in names:
        module = module_of(name)
        if module is None:
            known = known or [installed(group) for group in (GROUP, EXTENSIONS, SCHEMES, BASELINES)]
            modules |= {entry.module for of_group in known for entry in of_group.get(name, [])}
        else:
            modules.add(module)
    return list(dict.fromkeys(path for module in sorted(modules) for path in _files_of(module)))


def _files_of(module: str) -> Iterator[Path]:
    """Files of a module, found as Python does, but without importing its packages."""
    folders: Any = None
    for name in accumulate(module.split("."), "{}.{}".format):
        finders = (
            finder.find_spec(name, folders) for finder in sys.meta_path if hasattr(finder, "find_spec")
        )
        spec = next((spec for spec in finders if spec is not None), None)
        if spec is None:
            return
        origin = None if spec.origin is None else Path(spec.origin)
        folders = spec.submodule_search_locations
        if folders is None:
            if name == module and origin is not None and origin.is_file():
                yield origin
            return
        if origin is not None and origin.is_file():  # a package with an __init__
            found = (path for folder in folders for path in Path(folder).rglob("*.py"))
            yield from sorted(path for path in found if path.is_file())  # a pipe or a device has no end
            return
