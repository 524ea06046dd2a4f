"""Checkpoints: a run that was killed goes on from one, and ends with the same bytes.

A checkpoint is taken between two seconds of the clock. It holds the state of everything that changes: agents,
what they own, random streams, messages on their way, and how long the spool of tables was. What is built from
the scenario and never changes (grids, profiles, schemes) is left out and built again; so are gates, of which
those still to come are set up anew.

The file is a pickle behind a digest. The digest finds damage, not malice: resume your own runs only.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mesa

from tandem_sim.grids.errors import InputError
from tandem_sim.sim.clock import Clock
from tandem_sim.sim.recorder import START, Mark
from tandem_sim.sim.world import World

log = logging.getLogger(__name__)
MAGIC = b"tandem checkpoint 1\n"
NEWEST, BEFORE, SPOOL = "checkpoint", "checkpoint.before", "tables.spool"
MEND = "Remove the folder and start anew, or resume with what the run was started with"


class StaleError(InputError):
    """A checkpoint that cannot serve: it is damaged, or of another run or other code."""


@dataclass(frozen=True)
class Checkpoints:
    """Where a run keeps its checkpoints, what it is, and how often one is taken."""

    folder: Path
    identity: Mapping[str, str]  # what must be the same for a run to go on: scenario, code, libraries
    every_s: int = 86_400  # seconds of simulated time; 0: none is taken

    @property
    def spool(self) -> Path:
        """The rows recorded so far."""
        return self.folder / SPOOL

    @property
    def found(self) -> bool:
        """Whether there is one to go on from."""
        return any((self.folder / name).is_file() for name in (NEWEST, BEFORE))

    def remove(self) -> None:
        """A run that is complete needs none."""
        for name in (BEFORE, NEWEST):
            (self.folder / name).unlink(missing_ok=True)

    def moments(self, now: int, end: int) -> Iterator[int]:
        """Seconds of the horizon behind which a checkpoint is due, from now on."""
        if not self.every_s:
            return
        yield from range(max(now // self.every_s + 1, 1) * self.every_s, end, self.every_s)

    def save(self, world: World, clock: Clock) -> None:
        """Keep the state as it is now, between two seconds. Raises `InputError` for what cannot be kept.

        The checkpoint before stays beside the new one, and a file is complete or not there: whenever the run
        is killed, one of them is sound.
        """
        anchors, changing = _anchors(world, clock)
        states = {name: _state(anchors[name]) for name in changing}
        state = {
            "mark": tuple(world.recorder.mark()), "now": clock.now(), "calls": clock.calls(), "states": states
        }  # fmt: skip
        content = io.BytesIO()
        try:
            _Pickler(content, anchors).dump(state)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise InputError(
                "scenario",
                "strategies",
                f"hold something that no checkpoint can keep ({error})",
                "Keep plain values in strategies, or run without checkpoints (--checkpoint-days 0)",
            ) from error
        self._write(content.getvalue())
        log.debug("checkpoint at second %d, %d bytes", clock.now(), content.tell())

    def restore(self, world: World, clock: Clock) -> None:
        """Bring a world just built, and its clock, to the newest checkpoint, if there is one.

        Raises `StaleError` for a checkpoint that is damaged or of another run.
        """
        path = self.folder / NEWEST
        if not path.is_file():
            path = self.folder / BEFORE
        if not path.is_file():
            world.recorder.rewind(START)
            return
        anchors, _ = _anchors(world, clock)
        content = self._read(path)
        try:
            state = _Unpickler(io.BytesIO(content), anchors).load()
        except (pickle.UnpicklingError, AttributeError, ImportError, KeyError, TypeError) as error:
            raise StaleError(
                str(path), "state", f"does not fit what is there now ({type(error).__name__}: {error})", MEND
            ) from error
        try:
            world.recorder.rewind(Mark(*state["mark"]))
        except OSError as error:
            raise StaleError(
                str(self.spool), "tables", "are damaged", "Remove the folder and start the run anew"
            ) from error
        for name, found in state["states"].items():
            vars(anchors[name]).update(found)
        clock.set(state["now"], state["calls"])
        log.info("resumed at second %d from %s", clock.now(), path.name)

    def _write(self, content: bytes) -> None:
        fresh = self.folder / "checkpoint.new"
        body = json.dumps(dict(self.identity)).encode() + b"\n" + content
        with open(fresh, "wb") as file:
            file.write(MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
            file.flush()
            os.fsync(file.fileno())
        newest = self.folder / NEWEST
        if newest.is_file():
            os.replace(newest, self.folder / BEFORE)
        os.replace(fresh, newest)

    def _read(self, path: Path) -> bytes:
        """The pickle inside a checkpoint of this very run."""
        magic, _, rest = path.read_bytes().partition(b"\n")
        digest, _, body = rest.partition(b"\n")
        if magic + b"\n" != MAGIC or hashlib.sha256(body).hexdigest().encode() != digest:
            raise StaleError(
                str(path), "checkpoint", "is damaged",
                "Remove this file to go on from the checkpoint before it, or the folder to start anew",
            )  # fmt: skip
        identity, _, content = body.partition(b"\n")
        given = json.loads(identity)
        other = [key for key, value in self.identity.items() if given.get(key) != value]
        if other:
            raise StaleError(str(path), ", ".join(other), "are not those that the run was started with", MEND)
        return content


class _Pickler(pickle.Pickler):
    """Names what is built from the scenario instead of keeping it."""

    def __init__(self, file: io.BytesIO, anchors: Mapping[str, object]) -> None:
        super().__init__(file, protocol=5)
        self._names = {id(anchor): name for name, anchor in anchors.items()}

    def persistent_id(self, obj: object) -> str | None:
        """The name of what is not kept."""
        return self._names.get(id(obj))


class _Unpickler(pickle.Unpickler):
    """Puts what was built anew where the checkpoint names it."""

    def __init__(self, file: io.BytesIO, anchors: Mapping[str, object]) -> None:
        super().__init__(file)
        self._anchors = anchors

    def persistent_load(self, pid: str) -> object:
        """What has this name."""
        return self._anchors[pid]


def _anchors(world: World, clock: Clock) -> tuple[dict[str, object], list[str]]:
    """What every build of a scenario has, by name; and the names of those whose attributes change.

    Clock and recorder change too, but know how to be set themselves.
    """
    agents = {
        f"agent {agent.name}": agent
        for agent in (
            world.fleet_desk, *world.operators, *world.aggregators, *world.producers, world.market,
            *world.brps,
        )
    }  # fmt: skip
    changing: dict[str, object] = {"world": world, "fleet": world.fleet_desk.fleet, **agents}
    fixed: dict[str, object] = {
        "clock": clock, "recorder": world.recorder, "scheme": world.tso.scheme, "load": world.load_mw,
        "transmission": world.transmission, "on_isp": world.on_isp,
        "physics": world.physics, "layout": world.fleet_desk.fleet.layout,
        "foreseen load": world.foresight.load_mw, "errors": world.foresight.errors,
    }  # fmt: skip
    for area in world.areas:
        parts = {"": area, " network": area.network, " lin": area.lin, " flow": area.power_flow}
        fixed |= {f"area {area.name}{part}": value for part, value in parts.items()}
    return {**changing, **fixed}, list(changing)


def _state(anchor: object) -> dict[str, Any]:
    """Attributes of an anchor; what Mesa itself gives a model is left as it is built."""
    own = vars(anchor)
    if isinstance(anchor, mesa.Model):
        own = {key: value for key, value in own.items() if key not in vars(mesa.Model(rng=0))}
    return dict(own)
