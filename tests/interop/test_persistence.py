# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""VIFs in a store are migrated while two releases write them, and none is lost or torn.

What runs is the code of doc/source/developers/persistence.rst. The public release is 5.3.0 itself.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from os_vif import serialization
from testbed import environments, snippets
from testbed.environments import CHECKOUT, Subject
from tests.support.interop import etcd_server, store_writer
from tests.support.interop.store_writer import seen

PAGE = (CHECKOUT / "doc" / "source" / "developers" / "persistence.rst").read_text(encoding="utf-8")
MODULES = {block.caption: block.text for block in snippets.blocks(PAGE, "python") if block.caption}
PROGRAM = Path(store_writer.__file__)
RELEASE = "5.3.0"
#: How long a writer may take to begin, and to end; it is loud, not tight.
PATIENCE = 900


class Site:
    """A store, and the two releases that work on it, each in processes of its own."""

    def __init__(
        self, store: str, place: object, scratch: Path, public: tuple[Path, Path]
    ) -> None:
        self._of_store, self._scratch = (store, str(place)), scratch
        modules = scratch / "modules"
        modules.mkdir()
        for name, text in MODULES.items():
            (modules / name).write_text(text, encoding="utf-8")
        self._public, path = public[0], f"{public[1]}{os.pathsep}{modules}"
        common = environments.without_python_settings(os.environ) | {"HOME": str(scratch)}
        self._for_public = common | {"PYTHONPATH": path}
        self._for_ours = common | {"PYTHONPATH": f"{CHECKOUT}{os.pathsep}{modules}"}
        scope: dict = {}
        exec("\n".join(MODULES.values()), scope)  # noqa: S102 - what the page says is tested
        self.migrate: Callable[..., None] = scope["migrate"]
        self.store = scope[store](place)
        self.journals: list[Path] = []

    def public(self, action: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Let the public release do something, and wait."""
        command = [*self._command(self._public, action), *map(str, arguments)]
        return subprocess.run(
            command, env=self._for_public, capture_output=True, text=True, check=False
        )

    def _command(self, python: object, action: str) -> list[str]:
        return [str(python), "-W", "ignore", "-P", str(PROGRAM), action, *self._of_store]

    @contextlib.contextmanager
    def writers(self, *forms: str, least: int) -> Iterator[None]:
        """While the block runs, and until each has made so many writes; they have begun."""
        stop = self._scratch / f"stop-{len(self.journals)}"
        running = []
        for form in forms:
            journal = self._scratch / f"journal-{len(self.journals)}"
            self.journals.append(journal)
            its = form == "public"
            command = self._command(self._public if its else sys.executable, "write")
            process = subprocess.Popen(
                [*command, form, str(journal), str(least), str(stop)],
                env=self._for_public if its else self._for_ours,
                stderr=subprocess.PIPE,
                text=True,
            )
            running.append((process, journal))
        try:
            end = time.monotonic() + PATIENCE
            while not all(j.exists() and j.stat().st_size for _, j in running):
                assert all(process.poll() is None for process, _ in running)
                assert time.monotonic() < end
                time.sleep(0.01)
            yield
            assert all(process.poll() is None for process, _ in running)
        finally:
            stop.touch()
            try:
                errors = [process.communicate(timeout=PATIENCE)[1] for process, _ in running]
            finally:
                for process, _ in running:
                    process.kill()
        assert [process.returncode for process, _ in running] == [0] * len(forms), errors

    def check(self, found: dict[str, list], count: int) -> None:
        """Each VIF is there and whole, and each write that was acknowledged is in it, once."""
        acknowledged = collections.defaultdict(list)
        for journal in self.journals:
            for line in journal.read_text(encoding="ascii").splitlines():
                key, number = line.split()
                acknowledged[key].append(int(number))
        assert sorted(found) == [f"port-{n:05}" for n in range(count)]
        for n, (key, (label, *rest)) in enumerate(sorted(found.items())):
            assert sorted(acknowledged[key]) == [*range(1, label + 1)], key
            assert rest == [label, *seen(store_writer.vif(n))[2:]], key

    def found(self) -> dict[str, list]:
        texts = {key: self.store.get(key)[0] for key in self.store.keys()}  # noqa: SIM118
        return {key: seen(serialization.loads(text)) for key, text in texts.items()}

    def documents(self) -> int:
        """How many are documents; all are written in their only form."""
        texts = [self.store.get(key)[0] for key in self.store.keys()]  # noqa: SIM118
        new = [text for text in texts if "apiVersion" in json.loads(text)]
        assert all(serialization.dumps(serialization.loads(text)) == text for text in new)
        return len(new)


@pytest.fixture(scope="module")
def public(tmp_path_factory) -> tuple[Path, Path]:
    """The public release: a Python, and where its os_vif is."""
    try:
        subject = Subject.from_public_release(tmp_path_factory.mktemp("public"))
        pinned = environments.pins("public")
        python = environments.environment("public", pinned, subject.requirements)
    except environments.Unavailable as reason:
        pytest.skip(str(reason))
    return python, subject.path


@pytest.fixture(params=["Etcd", "Table", "Files"])
def site(request, public, tmp_path) -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        place: object = tmp_path / "place"
        if request.param == "Etcd":
            try:
                place = stack.enter_context(etcd_server.running_etcd(tmp_path))
            except environments.Unavailable as reason:
                pytest.skip(str(reason))
        yield Site(request.param, place, tmp_path, public)


@pytest.mark.parametrize(
    "count",
    [pytest.param(60, id="short"), pytest.param(10_000, id="long", marks=pytest.mark.soak)],
)
def test_a_rolling_upgrade_loses_nothing(site, public, count):
    """Phase one with the public release, phase two with documents, and all the way back."""
    seeded = site.public("seed", count)
    assert seeded.stdout == f"{public[1] / 'os_vif' / '__init__.py'}\n", seeded.stderr
    for_public = functools.partial(serialization.dumps, release=RELEASE)

    # Both releases write, in the one form that both read.
    with site.writers("public", RELEASE, least=count):
        pass
    assert site.documents() == 0
    read = site.public("read")
    assert read.returncode == 0, read.stderr
    site.check(json.loads(read.stdout), count)

    # All are upgraded; one of ours has not been told yet.
    with site.writers(RELEASE, "document", least=1):
        site.migrate(site.store)
    site.check(site.found(), count)
    site.migrate(site.store)
    assert site.documents() == count
    site.check(site.found(), count)

    # One that was overlooked fails, and spoils nothing.
    before = {key: site.store.get(key) for key in site.store.keys()}  # noqa: SIM118
    straggler = site.public("write", "public", os.devnull, 1, os.devnull)
    assert straggler.returncode == 1
    assert "KeyError: 'versioned_object.namespace'" in straggler.stderr
    assert {key: site.store.get(key) for key in before} == before

    # Back again, while ours write, in the form that both read.
    with site.writers(RELEASE, least=1):
        site.migrate(site.store, for_public)
    assert site.documents() == 0
    read = site.public("read")
    assert read.returncode == 0, read.stderr
    site.check(json.loads(read.stdout), count)
