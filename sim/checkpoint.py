"""Checkpoints: a run that was killed goes on from one, and ends with the same bytes.

A checkpoint is taken between two seconds of the clock. It holds the state of everything that changes: agents,
what they own, random streams, messages on their way, and how long the spool of tables was. What is built from
the scenario and never changes (grids, profiles, schemes) is left out and built again; so are gates, of which
those still to come are set up anew.

The file is a pickle behind a signature (HMAC-SHA256, FIPS 198-1) with a key of this user, which covers all
that is read: what the run is, how long its tables were and their digest, and the pickle. It is checked before
anything is looked into, so a checkpoint that somebody else has made or changed runs no code.
"""

from __future__ import annotations

import hashlib
import hmac
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

from tandem_sim.grids.documents.text import one_line
from tandem_sim.grids.errors import InputError, StaleError
from tandem_sim.sim.clock.clock import Clock
from tandem_sim.sim.model import FlexibilityModel
from tandem_sim.sim.output.recorder import START, Mark
from tandem_sim.sim.user_key import key_file

log = logging.getLogger(__name__)
MAGIC = b"tandem checkpoint 2\n"
NEWEST, BEFORE, FRESH, SPOOL = "checkpoint", "checkpoint.before", "checkpoint.new", "tables.spool"
LARGEST = 2**33
"""Most bytes of a checkpoint; one of a million households has less than a tenth."""
MEND = "Remove the folder and start anew, or resume with what the run was started with"


@dataclass(frozen=True)
class Checkpoints:
    """Where a run keeps its checkpoints, what it is, and how often one is taken."""

    folder: Path
    identity: Mapping[str, str]  # what must be the same for a run to go on: scenario, code, libraries
    every_s: int = 86_400  # seconds of simulated time; 0: none is taken
    key: bytes | None = None  # with which they are signed; without one none is taken, and none may be there

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
        if not self.are_taken:
            return
        yield from range(max(now // self.every_s + 1, 1) * self.every_s, end, self.every_s)

    @property
    def are_taken(self) -> bool:
        """Whether this run keeps any."""
        return self.every_s > 0 and self.key is not None

    def save(self, model: FlexibilityModel, clock: Clock) -> None:
        """Keep the state as it is now, between two seconds. Raises `InputError` for what cannot be kept.

        The checkpoint before stays beside the new one, and a file is complete or not there: whenever the run
        is killed, one of them is sound.
        """
        anchors, changing = _anchors(model, clock)
        states = {name: _state(anchors[name]) for name in changing}
        state = {"now": clock.now(), "calls": clock.calls(), "states": states}
        mark = model.recorder.mark()
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
        self._write(mark, content.getvalue())
        log.debug("checkpoint at second %d, %d bytes", clock.now(), content.tell())

    def restore(self, model: FlexibilityModel, clock: Clock) -> None:
        """Bring a world just built, and its clock, to the newest checkpoint, if there is one.

        Raises `StaleError` for a checkpoint that is damaged or of another run.
        """
        path = self.folder / NEWEST
        if not path.is_file():
            path = self.folder / BEFORE
        if not path.is_file():
            model.recorder.rewind(START)
            return
        mark, content = self._read(path)
        try:
            model.recorder.rewind(mark)
        except OSError as error:
            raise StaleError(
                str(self.spool), "tables", "are damaged", "Remove the folder and start the run anew"
            ) from error
        anchors, _ = _anchors(model, clock)
        try:
            state = _Unpickler(io.BytesIO(content), anchors).load()
        except (pickle.UnpicklingError, AttributeError, ImportError, KeyError, TypeError) as error:
            raise StaleError(
                str(path),
                "state",
                f"does not fit what is there now ({type(error).__name__}: {one_line(error)})",
                MEND,
            ) from error
        for name, found in state["states"].items():
            vars(anchors[name]).update(found)
        clock.set(state["now"], state["calls"])
        log.info("resumed at second %d from %s", clock.now(), path.name)

    def _write(self, mark: Mark, content: bytes) -> None:
        assert self.key is not None  # where it is not, none is taken
        about = {"identity": dict(self.identity), "spool": mark._asdict()}
        body = json.dumps(about).encode() + b"\n" + content
        seal = _signed(self.key, body) + b" " + hashlib.sha256(body).hexdigest().encode()
        fresh = self.folder / FRESH
        fresh.unlink(missing_ok=True)  # of an attempt that was killed
        with open(fresh, "xb") as file:
            file.write(MAGIC + seal + b"\n" + body)
            file.flush()
            os.fsync(file.fileno())
        newest = self.folder / NEWEST
        if newest.is_file():
            os.replace(newest, self.folder / BEFORE)
        os.replace(fresh, newest)

    def _read(self, path: Path) -> tuple[Mark, bytes]:
        """How long the spool was, and the pickle inside a checkpoint of this very run, by this user."""
        assert self.key is not None  # whoever has none does not ask
        if path.stat().st_size > LARGEST:
            raise StaleError(str(path), "checkpoint", "is larger than any that a run takes", MEND)
        magic, _, rest = path.read_bytes().partition(b"\n")
        seal, _, body = rest.partition(b"\n")
        signature, _, digest = seal.partition(b" ")
        if magic + b"\n" != MAGIC or hashlib.sha256(body).hexdigest().encode() != digest:
            raise StaleError(
                str(path),
                "checkpoint",
                "is damaged, or of another version of Tandem",
                "Remove this file to go on from the checkpoint before it, or the folder to start anew",
            )
        if not hmac.compare_digest(_signed(self.key, body), signature):
            raise StaleError(
                str(path),
                "signature",
                f"is not of this user's key ({key_file()}), so it is not read: it could run code",
                "Go on as the user who began the run, with that user's key (TANDEM_KEY_FILE), or begin anew "
                "with --overwrite",
            )
        header, _, content = body.partition(b"\n")
        about = json.loads(header)
        given = about["identity"]
        other = [key for key, value in self.identity.items() if given.get(key) != value]
        if other:
            raise StaleError(str(path), ", ".join(other), "are not those that the run was started with", MEND)
        return Mark(**about["spool"]), content


def _signed(key: bytes, body: bytes) -> bytes:
    return hmac.new(key, MAGIC + body, hashlib.sha256).hexdigest().encode()


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


def _anchors(model: FlexibilityModel, clock: Clock) -> tuple[dict[str, object], list[str]]:
    """What every build of a scenario has, by name; and the names of those whose attributes change.

    Clock and recorder change too, but know how to be set themselves.
    """
    agents = {
        f"agent {agent.name}": agent
        for agent in (
            model.fleet_agent,
            *model.operators,
            *model.aggregators,
            *model.transmission_sellers,
            model.market,
            *model.brps,
        )
    }
    changing: dict[str, object] = {"world": model, "fleet": model.fleet_agent.fleet, **agents}
    fixed: dict[str, object] = {
        "clock": clock,
        "recorder": model.recorder,
        "scheme": model.tso.scheme,
        "load": model.load_mw,
        "transmission": model.transmission,
        "on_isp": model.on_isp,
        "physics": model.physics,
        "layout": model.fleet_agent.fleet.layout,
        "foreseen load": model.forecasts.load_mw,
        "errors": model.forecasts.errors,
    }
    for area in model.areas:
        parts = {"": area, " network": area.network, " lin": area.lin, " flow": area.power_flow}
        fixed |= {f"area {area.name}{part}": value for part, value in parts.items()}
    return {**changing, **fixed}, list(changing)


def _state(anchor: object) -> dict[str, Any]:
    """Attributes of an anchor; what Mesa itself gives a model is left as it is built."""
    own = vars(anchor)
    if isinstance(anchor, mesa.Model):
        own = {key: value for key, value in own.items() if key not in vars(mesa.Model(rng=0))}
    return dict(own)
