# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The recipes of doc/source/developers/persistence.rst hold when somebody is faster, and when killed.

tests/interop/test_persistence.py runs them with two releases at once, and with etcd.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest

from os_vif import exception, serialization
from testbed import snippets
from tests.support.strategies import make

PAGE = pathlib.Path(__file__).parents[3] / "doc" / "source" / "developers" / "persistence.rst"
CODE = "\n".join(
    block.text
    for block in snippets.blocks(PAGE.read_text(encoding="utf-8"), "python")
    if block.caption
)
RECIPES: dict = {}
exec(CODE, RECIPES)  # noqa: S102 - what the page says is tested


#: Of a release that there is not; the document has no place for its field.
NEWER = json.dumps(
    {
        "versioned_object.name": "VIFBridge",
        "versioned_object.namespace": "os_vif",
        "versioned_object.version": "1.9",
        "versioned_object.data": {"new": 1},
    }
)


@pytest.fixture(params=["Table", "Files"])
def store(request, tmp_path):
    return RECIPES[request.param](tmp_path / "place")


def other(store):
    """The same store, as another process has it open."""
    place = (
        getattr(store, "_directory", None)
        or store._db.execute("SELECT file FROM pragma_database_list").fetchone()[0]
    )
    return type(store)(place)


@pytest.fixture
def vif():
    return make("VIFBridge", network=make("Network", label="0"))


def old(vif) -> str:
    return json.dumps(vif.obj_to_primitive())


def count(vif) -> None:
    vif.network.label = str(int(vif.network.label) + 1)


def label(store, key="a") -> str:
    return serialization.loads(store.get(key)[0]).network.label


def test_a_text_is_put_once(store):
    """Two that both found nothing there cannot both put theirs."""
    with pytest.raises(KeyError):
        store.get("a")
    assert store.swap("a", "1", None)
    assert not other(store).swap("a", "2", None)
    assert store.get("a")[0] == "1"
    assert store.keys() == ["a"]


def test_whoever_has_read_an_older_revision_is_refused(store):
    """And changes nothing; with the newest, it is taken."""
    store.swap("a", "1", None)
    revision = store.get("a")[1]
    assert other(store).swap("a", "2", revision)
    assert not store.swap("a", "3", revision)
    text, revision = store.get("a")
    assert text == "2"
    assert store.swap("a", "3", revision)
    assert not store.swap("b", "3", revision)
    assert store.keys() == ["a"]


def test_an_update_that_comes_too_late_begins_again(store, vif):
    """With what was written in between: both changes are there."""
    store.swap("a", serialization.dumps(vif), None)
    seen = []

    def change(found) -> None:
        if not seen:
            RECIPES["update"](other(store), "a", count)
        seen.append(found.network.label)
        count(found)

    RECIPES["update"](store, "a", change)
    assert seen == ["0", "1"]
    assert label(store) == "2"


def test_what_is_read_is_migrated_once(store, vif):
    """Then it is a document, and reading it writes nothing."""
    store.swap("a", old(vif), None)
    assert serialization.dumps(RECIPES["read"](store, "a")) == serialization.dumps(vif)
    migrated = store.get("a")
    assert migrated[0] == serialization.dumps(vif)
    store.swap = None  # it cannot be called
    RECIPES["read"](store, "a")
    assert store.get("a") == migrated


def test_a_write_during_the_migration_stays(store, vif):
    """Migrate on read takes what is newest."""
    store.swap("a", old(vif), None)
    swap = store.swap

    def slow_swap(*arguments) -> bool:
        store.swap = swap
        RECIPES["update"](other(store), "a", count)
        return store.swap(*arguments)

    store.swap = slow_swap
    assert RECIPES["read"](store, "a").network.label == "1"
    assert store.get("a")[0].startswith('{"apiVersion"')
    assert label(store) == "1"


def test_the_migration_passes_over_what_was_deleted(store, vif):
    """Between listing and reading; the rest is migrated."""
    store.swap("b", old(vif), None)
    store.keys = lambda: ["a", "b", "c"]
    RECIPES["migrate"](store)
    assert store.get("b")[0] == serialization.dumps(vif)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", exception.MalformedDocument),
        ('{"apiVersion":"os-vif/3.0","kind":"VIFBridge"}', exception.UnsupportedVersion),
        (NEWER, exception.DataLoss),
    ],
)
def test_what_cannot_be_migrated_stays_as_it_is(store, text, error):
    """What cannot be read, and what would lose something."""
    store.swap("a", text, None)
    with pytest.raises(error):
        RECIPES["migrate"](store)
    assert store.get("a")[0] == text


def test_several_processes_lose_no_update(store, vif, tmp_path):
    """Each counts; all is counted."""
    store.swap("a", serialization.dumps(vif), None)
    place = str(tmp_path / "place")
    work = (
        f"store = {type(store).__name__}({place!r})\n"
        "def count(vif):\n    vif.network.label = str(int(vif.network.label) + 1)\n"
        "for _ in range(40):\n    update(store, 'a', count)\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", CODE + work]
    running = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert label(store) == "120"


#: Kills the process before the N-th call of what Files does to the disk.
KILLER = """
import os, signal
def killed_before(function, number=[0]):
    def call(*arguments, **more):
        number[0] += 1
        if number[0] == {step}:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **more)
    return call
os.fsync = killed_before(os.fsync)
pathlib.Path.replace = killed_before(pathlib.Path.replace)
pathlib.Path.open = killed_before(pathlib.Path.open)
Files({place!r}).swap("a", "new" * 3000, "old" * 3000)
"""


@pytest.mark.short_form(3)
@pytest.mark.parametrize("step", range(1, 7))
def test_a_file_is_whole_whenever_its_writer_is_killed(tmp_path, step):
    """Before the new name is there it is the old one, then the new one; the lock is free."""
    place = tmp_path / "place"
    files = RECIPES["Files"](place)
    files.swap("a", "old" * 3000, None)
    code = CODE + KILLER.format(step=step, place=str(place))
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False)
    # It reads, makes the file, syncs it, renames it, and syncs the directory.
    assert done.returncode == (0 if step == 6 else -9)
    text, revision = files.get("a")
    assert text == ("old" if step <= 4 else "new") * 3000
    assert files.keys() == ["a"]
    assert files.swap("a", "next", revision)
    assert files.get("a")[0] == "next"
    assert [path.name for path in place.iterdir()] == ["a.json"]


def test_a_reader_of_a_file_never_sees_a_part(tmp_path):
    """While it is replaced all the time, by another process."""
    files = RECIPES["Files"](tmp_path / "place")
    whole = [letter * 20_000 for letter in "xy"]
    files.swap("a", whole[0], None)
    work = (
        f"files = Files({str(tmp_path / 'place')!r})\n"
        f"x, y = {whole!r}\n"
        "for n in range(100):\n    assert files.swap('a', *((x, y) if n % 2 else (y, x)))\n"
    )
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", CODE + work])
    seen = set()
    while process.poll() is None:
        seen.add(files.get("a")[0])
    assert process.returncode == 0
    assert seen == set(whole)
