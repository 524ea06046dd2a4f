"""The key with which this user signs checkpoints, kept outside every run folder.

A checkpoint is a pickle, and a pickle can run code when it is read. So Tandem reads only checkpoints with a
signature made with this key. A checkpoint made or changed by another person is refused before it is read.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from platformdirs import user_data_path

from tandem_sim.grids.errors import InputError

VARIABLE = "TANDEM_KEY_FILE"
"""Environment variable that names another file: for containers, and for machines that share their runs."""
LENGTH = 32
"""Bytes of a key, the digest size of SHA-256."""
MOST = 4096
"""Largest accepted key file (bytes)."""
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def key_file() -> Path:
    """Path of the key: by the environment variable, or in the user's data folder of the system."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else user_data_path("tandem-sim") / "checkpoint.key"


def user_key() -> bytes:
    """The key of this user, made at first use. Raises `InputError` if it cannot be stored or read."""
    path = key_file()
    try:
        if not path.exists():
            _make(path)
        return _read(path)
    except OSError as error:
        raise InputError(
            str(path),
            "key of checkpoints",
            f"cannot be kept or read ({error.strerror})",
            f"Name a file that you may write, outside of run folders, in {VARIABLE}",
        ) from error


def _make(path: Path) -> None:
    """Write a new key in one step; if several processes try, the first key stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with open(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(secrets.token_bytes(LENGTH))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass  # another process was first
    finally:
        fresh.unlink()


def _read(path: Path) -> bytes:
    with open(path, "rb") as file:
        about = os.fstat(file.fileno())
        problem, hint = "", f"Name another file in {VARIABLE}"
        if not stat.S_ISREG(about.st_mode):
            problem = "is no file"
        elif os.name == "posix" and about.st_mode & OTHERS:
            problem = "can be read by others, who could sign checkpoints in your name"
            hint = "Remove the access of others (chmod 600)"
        key = b"" if problem else file.read(MOST)
    if not problem and len(key) < LENGTH:
        problem = f"holds {len(key)} bytes, less than {LENGTH}"
    if problem:
        raise InputError(
            str(path),
            "key of checkpoints",
            problem,
            hint,
        )
    return key
