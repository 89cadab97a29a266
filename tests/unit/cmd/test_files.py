# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A file is replaced atomically, or is unchanged."""

from __future__ import annotations

import errno
import os
import pathlib
import stat

import pytest

from os_vif.cmd import main
from os_vif.cmd.store import files


def replace(path, *, other=b""):
    """Replace a file; if *other* is given, another process appends *other* meanwhile."""
    with files.open_input(str(path)) as file, files.replace_input(str(path), file) as out:
        assert file.read() == b"old"
        out.write(b"new")
        if other:
            with path.open("ab") as same:
                same.write(other)


def test_a_file_is_replaced(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    before = path.stat().st_ino
    replace(path)
    assert (path.read_bytes(), [*tmp_path.iterdir()]) == (b"new", [path])
    assert path.stat().st_ino != before


def test_a_file_that_somebody_else_changes_is_left_to_them(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(files.OutputError, match="another process has changed the file"):
        replace(path, other=b"er")
    assert (path.read_bytes(), [*tmp_path.iterdir()]) == (b"older", [path])


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_after_an_error_all_is_as_it_was(tmp_path, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail() -> None:
        with files.open_output(str(path), []) as out:
            out.write(b"new" * 10_000)
            raise error

    with pytest.raises(error):
        fail()
    assert (path.read_bytes(), [*tmp_path.iterdir()]) == (b"old", [path])


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o777])
def test_who_may_read_it_stays(tmp_path, mode):
    """Mode, owner, group and extended attributes of the file are preserved."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    owner = (12345, 54321) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(path, *owner)
    os.setxattr(path, "user.note", b"mine")
    replace(path)
    after = path.stat()
    assert (stat.S_IMODE(after.st_mode), after.st_uid, after.st_gid) == (mode, *owner)
    assert os.getxattr(path, "user.note") == b"mine"


def test_while_it_is_written_nobody_else_reads_it(tmp_path):
    """The new file has the restrictive mode from its creation."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o600)
    with files.open_output(str(path), []) as out:
        out.write(b"new")
        (new,) = (entry for entry in tmp_path.iterdir() if entry != path)
        assert stat.S_IMODE(new.stat().st_mode) == 0o600


def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        with files.open_output(str(tmp_path / "file"), []) as out:
            out.write(b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with files.open_output(str(path), []) as out:
        out.write(b"new")
    assert os.read(reader, 10) == b"new"
    os.close(reader)
    assert stat.S_ISFIFO(path.stat().st_mode)
    with path.open("r+b", buffering=0):
        pass


@pytest.mark.parametrize("name", ["", "missing/file", "a\0b", "x" * 300])
def test_a_name_that_cannot_be_is_refused(tmp_path, name):
    with pytest.raises(main.BadInputError), files.open_output(f"{tmp_path}/{name}", []):
        pass
    with pytest.raises(main.BadInputError), files.open_input(f"{tmp_path}/{name}"):
        pass
    assert [*tmp_path.iterdir()] == []


def test_a_file_is_replaced_in_a_directory_that_may_not_be_read(tmp_path, monkeypatch):
    """A directory without read permission cannot be synchronized; the file is still replaced."""
    (tmp_path / "f").write_text("old")
    really = os.open

    def refuse(path, flags, *arguments, **more):
        if flags & os.O_DIRECTORY and pathlib.Path(path) == tmp_path:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return really(path, flags, *arguments, **more)

    monkeypatch.setattr(os, "open", refuse)
    with (
        files.open_input(str(tmp_path / "f")) as file,
        files.replace_input(str(tmp_path / "f"), file) as out,
    ):
        out.write(b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    assert (tmp_path / "f").read_text() == "new"


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_an_ordinary_user_replaces_a_file_in_such_a_directory(tmp_path):
    path = tmp_path / "f"
    path.write_text("old")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o1 == 0:
            folder.chmod(folder.stat().st_mode | 0o111)
    os.chown(tmp_path, 65534, 65534)
    os.chown(path, 65534, 65534)
    tmp_path.chmod(0o300)
    os.setegid(65534)
    os.seteuid(65534)
    try:
        with files.open_input(str(path)) as file, files.replace_input(str(path), file) as out:
            out.write(b"new")
    finally:
        os.seteuid(0)
        os.setegid(0)
        tmp_path.chmod(0o700)
    assert path.read_text() == "new"
    assert [left.name for left in tmp_path.iterdir()] == ["f"]
