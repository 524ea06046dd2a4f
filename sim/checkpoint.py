"""Checkpoints: a killed run continues from one, and ends with the same bytes.

A checkpoint is taken between two seconds of the clock. It holds all state that changes: agents and their
data, random streams, messages in transit, and the length of the spool of tables. Objects that are built from
the scenario and never change (grids, profiles, schemes) are left out and built again. Gates are also set up
again, those still to come.

The file is a pickle behind a signature (HMAC-SHA256, FIPS 198-1) with a key of this user. The signature
covers everything that is read: the identity of the run, the length and digest of its tables, and the pickle.
It is checked before anything is read, so a checkpoint that somebody else has made or changed runs no code.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import logging
import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import mesa

from tandem_sim.grids.documents.json_reader import read_json
from tandem_sim.grids.documents.text import one_line
from tandem_sim.grids.errors import InputError, StaleError, present
from tandem_sim.sim.model import FlexibilityModel
from tandem_sim.sim.output.recorder import START, Mark
from tandem_sim.sim.user_key import key_file

log = logging.getLogger(__name__)
MAGIC = b"tandem checkpoint 2\n"
NEWEST, BEFORE, FRESH, SPOOL = "checkpoint", "checkpoint.before", "checkpoint.new", "tables.spool"
LARGEST = 2**33
"""Largest accepted checkpoint (bytes); one of a million households has less than a tenth."""
LONGEST_LINE = 2**20
"""Most bytes of a line of the header; that of a run with a hundred files has a hundredth."""
HINT = "Remove the folder and start anew, or resume with what the run was started with"


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of a run: folder, identity of the run, and interval."""

    folder: Path
    identity: Mapping[str, str]  # must be the same for a run to continue: scenario, code, libraries
    every_s: int = 86_400  # interval of simulated time (s); 0: no checkpoints
    key: bytes | None = None  # key of the signature; None: no checkpoints, and none may exist

    @property
    def spool(self) -> Path:
        """The rows recorded so far."""
        return self.folder / SPOOL

    @property
    def found(self) -> bool:
        """Whether there is a checkpoint to continue from."""
        return any((self.folder / name).is_file() for name in (NEWEST, BEFORE))

    def remove(self) -> None:
        """Delete the checkpoints of a complete run."""
        for name in (BEFORE, NEWEST):
            (self.folder / name).unlink(missing_ok=True)

    def moments(self, model: FlexibilityModel) -> set[int]:
        """Seconds of the horizon of a model after which a checkpoint is due, from now on."""
        if not self.are_taken:
            return set()
        end = model.calendar.seconds(model.calendar.n_isp)
        return set(range(max(model.clock.now() // self.every_s + 1, 1) * self.every_s, end, self.every_s))

    @property
    def are_taken(self) -> bool:
        """Whether this run takes checkpoints."""
        return self.every_s > 0 and self.key is not None

    def save(self, model: FlexibilityModel) -> None:
        """Save the state between two seconds, if checkpoints are taken.

        Raises `InputError` for state that cannot be pickled.
        The previous checkpoint is kept, and a file is either complete or absent: whenever the run is killed,
        one of them is intact.
        """
        if not self.are_taken:
            return
        anchors, changing = _anchors(model)
        clock = model.clock
        states = {name: _state(anchors[name]) for name in changing}
        kept = [{name: vars(o)[name] for name in getattr(o, "kept", ())} for o in model.observers]
        state = {"now": clock.now(), "calls": clock.calls(), "states": states, "observers": kept}
        mark = model.recorder.mark()
        content = io.BytesIO()
        try:
            _Pickler(content, anchors).dump(state)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise InputError(
                "scenario",
                "strategies",
                f"hold a value that no checkpoint can keep ({error})",
                "Keep plain values in strategies, or run without checkpoints (--checkpoint-days 0)",
            ) from error
        calendar = model.calendar
        self._write(mark, [clock.now() // calendar.isp_seconds, calendar.n_isp], content.getvalue())
        log.debug("checkpoint at second %d, %d bytes", clock.now(), content.tell())

    def restore(self, model: FlexibilityModel) -> None:
        """Set a new model and its clock to the newest checkpoint, if there is one.

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
        anchors, _ = _anchors(model)
        try:
            state = _Unpickler(io.BytesIO(content), anchors).load()
        except (pickle.UnpicklingError, AttributeError, ImportError, KeyError, TypeError) as error:
            raise StaleError(
                str(path),
                "state",
                f"does not match the model built now ({type(error).__name__}: {one_line(error)})",
                HINT,
            ) from error
        for name, found in state["states"].items():
            vars(anchors[name]).update(found)
        for observer, kept in zip(model.observers, state["observers"], strict=True):
            if kept:
                vars(observer).update(kept)
        model.clock.set(state["now"], state["calls"])
        log.info("resumed at second %d from %s", model.clock.now(), path.name)

    def _write(self, mark: Mark, isps: list[int], content: bytes) -> None:
        key = present(self.key, "the key of checkpoints")
        about = {"identity": dict(self.identity), "spool": mark._asdict(), "isps": isps}
        body = json.dumps(about).encode() + b"\n" + content
        seal = _signed(key, body) + b" " + hashlib.sha256(body).hexdigest().encode()
        fresh = self.folder / FRESH
        fresh.unlink(missing_ok=True)  # left by a killed attempt
        with open(fresh, "xb") as file:
            file.write(MAGIC + seal + b"\n" + body)
            file.flush()
            os.fsync(file.fileno())
        newest = self.folder / NEWEST
        if newest.is_file():
            os.replace(newest, self.folder / BEFORE)
        os.replace(fresh, newest)

    def _read(self, path: Path) -> tuple[Mark, bytes]:
        """Mark of the spool, and pickle, of a checkpoint of this run by this user. Raises `StaleError`."""
        key = present(self.key, "the key of checkpoints")
        if path.stat().st_size > LARGEST:
            raise StaleError(str(path), "checkpoint", "is larger than any that a run takes", HINT)
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
        if not hmac.compare_digest(_signed(key, body), signature):
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
            raise StaleError(str(path), ", ".join(other), "are not those that the run was started with", HINT)
        return Mark(**about["spool"]), content


class Kept(NamedTuple):
    """What a checkpoint keeps: the rows up to a mark of the spool, and ISPs settled, of all of the run."""

    mark: Mark
    isps: int
    of_isps: int


def kept_in(folder: Path) -> Kept | None:
    """What the newest checkpoint in a working folder keeps; None without one. Nothing is changed.

    Only its header is read, which runs no code; so no key is needed. Raises `InputError` for a damaged one.
    """
    for path in (folder / NEWEST, folder / BEFORE):
        try:
            with open(path, "rb") as file:
                magic, _, header = (file.readline(LONGEST_LINE) for _ in range(3))
        except FileNotFoundError:
            continue
        about: Any = read_json(header.decode(errors="replace"), str(path)) if magic == MAGIC else None
        try:
            (isps, of_isps), mark = about["isps"], Mark(**about["spool"])
            return Kept(Mark(int(mark.length), str(mark.digest)), int(isps), int(of_isps))
        except (KeyError, TypeError, ValueError) as error:
            problem = "is damaged, or of another version of Tandem"
            raise InputError(str(path), "checkpoint", problem, "Finish the run with --resume") from error
    return None


def _signed(key: bytes, body: bytes) -> bytes:
    return hmac.new(key, MAGIC + body, hashlib.sha256).hexdigest().encode()


class _Pickler(pickle.Pickler):
    """Stores the name instead of the content of objects that are built from the scenario."""

    def __init__(self, file: io.BytesIO, anchors: Mapping[str, object]) -> None:
        super().__init__(file, protocol=5)
        self._names = {id(anchor): name for name, anchor in anchors.items()}

    def persistent_id(self, obj: object) -> str | None:
        """The name of an object that is not stored."""
        return self._names.get(id(obj))


class _Unpickler(pickle.Unpickler):
    """Inserts newly built objects where the checkpoint holds their names."""

    def __init__(self, file: io.BytesIO, anchors: Mapping[str, object]) -> None:
        super().__init__(file)
        self._anchors = anchors

    def persistent_load(self, pid: str) -> object:
        """The object with this name."""
        return self._anchors[pid]


def _anchors(model: FlexibilityModel) -> tuple[dict[str, object], list[str]]:
    """Objects that every build of a scenario has, by name; and the names of those whose attributes change.

    Clock and recorder change too, but are set by their own methods.
    """
    agents = {f"agent {agent.name}": agent for agent in model.participants}
    changing: dict[str, object] = {"model": model, "fleet": model.fleet_agent.fleet, **agents}
    fixed: dict[str, object] = {
        "scenario": model.scenario,
        "timetable": model.timetable,
        "calendar": model.calendar,
        "observers": model.observers,
        "people": model.people,
        "clock": model.clock,
        "recorder": model.recorder,
        "states": model.states,
        "scheme": model.tso.scheme,
        "load": model.load_mw,
        "passive": model.passive,
        "transmission data": model.tso.transmission,
        "given prices": model.settler.given,
        "given forecasts": model.forecasts.given,
        "transmission": model.transmission,
        "low voltage": model.low_voltage,
        "physics": model.physics,
        "layout": model.fleet_agent.fleet.layout,
        "forecast load": model.forecasts.load_mw,
        "errors": model.forecasts.errors,
    }
    for area in model.areas:
        parts = {"": area, " network": area.network, " lin": area.lin, " flow": area.power_flow}
        fixed |= {f"area {area.name}{part}": value for part, value in parts.items()}
    return {**changing, **fixed}, list(changing)


def _state(anchor: object) -> dict[str, Any]:
    """Attributes of an object, without those that Mesa itself gives a model, but for its steps."""
    own = vars(anchor)
    if isinstance(anchor, mesa.Model):
        of_mesa = set(vars(mesa.Model(rng=0))) - {"steps"}
        own = {key: value for key, value in own.items() if key not in of_mesa}
    return dict(own)
