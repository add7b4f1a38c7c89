"""The token file: whole or not at all, for its owner only, and never on a file system without locks."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tap_keap.credentials.token_store import ROOM, LocalTokenStore, TokenPair
from tap_keap.errors import ConfigurationError

PAIR = TokenPair("a1", "r1", "2026-11-28T08:00:00.000Z")


def test_a_pair_is_stored_for_its_owner_only(tmp_path: Path) -> None:
    store = LocalTokenStore(tmp_path / "deep" / "tokens.json")
    with store.room() as save:
        save(PAIR)
    assert store.load() == PAIR
    assert stat.S_IMODE((tmp_path / "deep" / "tokens.json").stat().st_mode) == 0o600
    assert [each.name for each in (tmp_path / "deep").iterdir()] == ["tokens.json"]


def test_room_that_was_not_used_leaves_the_old_pair(tmp_path: Path) -> None:
    store = LocalTokenStore(tmp_path / "tokens.json")
    with store.room() as save:
        save(PAIR)
    with store.room():
        (reserved,) = tmp_path.glob(".tokens*")
        assert reserved.stat().st_size == ROOM, "the room is taken before anybody asks Keap"
    assert store.load() == PAIR
    assert [each.name for each in tmp_path.iterdir()] == ["tokens.json"]


def test_a_full_disk_is_seen_before_anything_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"), LocalTokenStore(tmp_path / "tokens.json").room():
        raise AssertionError("nobody may rotate")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(ConfigurationError, match="The file system of `token_path` has no file locks: use"),
        LocalTokenStore(tmp_path / "tokens.json").lock(),
    ):
        raise AssertionError("not locked")
