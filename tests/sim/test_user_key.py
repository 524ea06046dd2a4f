"""The key that signs checkpoints: made once, private, never half-written."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tandem_sim.grids.errors import InputError
from tandem_sim.sim.user_key import LENGTH, VARIABLE, key_file, user_key


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "folder" / "key"))
    return tmp_path / "folder" / "key"


def test_it_is_made_at_its_first_use_and_stays(path: Path) -> None:
    first = user_key()
    assert len(first) == LENGTH
    assert user_key() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [p.name for p in path.parent.iterdir()] == ["key"]


def test_many_that_begin_at_once_have_one_key(path: Path) -> None:
    with ThreadPoolExecutor(16) as threads:
        assert len(set(threads.map(lambda _: user_key(), range(64)))) == 1


def test_without_a_name_it_lies_in_the_data_folder_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XDG Base Directory Specification 0.8: user data lie below $XDG_DATA_HOME."""
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert key_file() == tmp_path / "tandem-sim" / "checkpoint.key"


def test_a_key_that_others_can_read_or_that_is_short_is_refused(path: Path) -> None:
    user_key()
    path.chmod(0o640)
    with pytest.raises(InputError, match="can be read by others"):
        user_key()
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(InputError, match="holds 5 bytes, less than 32"):
        user_key()


def test_what_is_no_file_or_in_no_folder_is_one_message(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.mkdir(parents=True)
    with pytest.raises(InputError, match=VARIABLE):
        user_key()
    (tmp_path / "file").touch()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file" / "key"))
    with pytest.raises(InputError, match=f"Name a file that you may write.*{VARIABLE}"):
        user_key()
    monkeypatch.setenv(VARIABLE, os.devnull)
    with pytest.raises(InputError, match="is no file"):
        user_key()
