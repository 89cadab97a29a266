# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Odd text in objects, names of devices and arguments does not reach a terminal or a log as it is.

Control characters move the cursor of a terminal, line feeds forge lines of a log, and bidirectional
overrides show a name as another one. Every command is run on objects of which some texts are odd.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import subprocess
import sys
from collections.abc import Iterator

import pytest

import os_vif
from os_vif import exception, objects, serialization
from os_vif.cmd import main
from tests.support.cases import ovs_vif
from tests.support.vifs import bridge_vif

#: What stands in a text: sequences of terminals, line breaks of all kinds, overrides, and formats.
ODD = (
    "\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\x1bc", "\r", "\n", "\nERROR forged", "\r\nforged",
    "\x0b", "\x0c", "\x85", "\u2028forged", "\u2029", "\u202e", "\u2066", "\u2069", "\u200f",
    "\u200b", "\ufeff", "\x00", "\x08", "\x7f", "\t", "\ud800", "\udcff", "\U000e0001", "%s",
    "%(levelname)s", "{}", "{0.__class__}", "\\x1b[2J", "'", '"', "`id`", "$(id)", "é", "東", "x" * 40,
)  # fmt: skip
#: Attributes of a forged line, wherever it is.
_FORGED = ("ERROR forged", "forged")
UUID = "b0000000-0000-4000-8000-000000000000"


def odd_text(chance: random.Random, text: str) -> str:
    """Return a text with something odd in it, or in its place."""
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(text) + 1)
        text = text[:at] + chance.choice(ODD) + text[at:]
    return text if chance.random() < 0.8 else chance.choice(ODD)


def texts(value: object) -> Iterator[tuple[object, object]]:
    """Yield each text in a document with what holds it, and each key."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, member in list(items):
        if isinstance(member, str):
            yield value, key
        elif isinstance(member, dict | list):
            yield from texts(member)


def spoil(chance: random.Random, document: object) -> object:
    """Make one to three texts of a document odd, or a key."""
    document = json.loads(json.dumps(document))
    for _ in range(chance.randrange(1, 4)):
        holder, key = chance.choice(list(texts(document)))
        if isinstance(holder, dict) and chance.random() < 0.2:
            holder[odd_text(chance, str(key))] = holder.pop(key)
            continue
        # A chosen text may be a document itself, such as an annotation.
        holder[key] = odd_text(chance, holder[key])
    return document


def documents() -> list[object]:
    """VIFs of each class as documents and primitives, alone and in what Kubernetes stores."""
    vifs = [
        bridge_vif(1),
        ovs_vif(create_port=True),
        ovs_vif(objects.VIFBridge),
        objects.VIFGeneric(id=UUID, address="fa:16:3e:00:00:01", plugin="noop", vif_name="tap0"),
    ]
    plain = [json.loads(serialization.dumps(vif)) for vif in vifs]
    primitives = [vif.obj_to_primitive() for vif in vifs]
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {
            "name": "pod", "namespace": "default",
            "annotations": {"openstack.org/kuryr-vif": json.dumps(primitives[1])},
        },
    }  # fmt: skip
    return [*plain, *primitives, pod, {"apiVersion": "v1", "kind": "List", "items": [pod]}]


class Terminal:
    """Runs a command, and requires that what it says is printable lines, of which none is forged."""

    def __init__(self, capfd, caplog) -> None:
        self._capfd, self._caplog = capfd, caplog
        self.runs = 0

    def run(self, *arguments: str, data: bool = False) -> None:
        """Run a command.

        :param data: whether its standard output is data, and not text.
        """
        self._caplog.clear()
        handlers = logging.getLogger().handlers[:]
        try:
            with contextlib.suppress(SystemExit):
                main.main(list(arguments))
        finally:
            logging.getLogger().handlers[:] = handlers
        sys.stdout.flush()
        out, err = self._capfd.readouterr()
        require_plain(err, arguments)
        if not data:
            require_plain(out, arguments)
        self.require_plain_log(arguments)
        self.runs += 1

    def require_plain_log(self, what: object) -> None:
        """Require that each record is printable, and one line but for commands left to type."""
        for record in self._caplog.records:
            if not record.name.startswith(("os_vif", "os-vif", "oslo", "vif_plug")):
                continue
            text = record.getMessage()
            require_plain(text, what)
            for line in text.split("\n")[1:]:
                assert line.startswith("  "), f"{what!r}: {record.name}: {text!r}"


def require_plain(text: str, what: object) -> None:
    for line in text.split("\n"):
        assert line.isprintable(), f"{what!r}: {line!r}"
        assert not line.startswith(_FORGED), f"{what!r}: {line!r}"


@pytest.fixture
def terminal(capfd, caplog) -> Iterator[Terminal]:
    levels = {name: logging.getLogger(name).level for name in ("os_vif", "os_vif.steps")}
    caplog.set_level(logging.DEBUG)
    yield Terminal(capfd, caplog)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


STORED = (
    ("show",), ("show", "--ascii"), ("validate",), ("convert", "--check"),
    ("convert", "--check", "--release", "1.14.0"), ("-v", "convert", "--check"),
    ("--debug", "validate"),
)  # fmt: skip
PLUGGED = (
    ("plan",), ("plan", "--unplug"), ("check",), ("check", "-f", "table"), ("check", "-f", "csv"),
    ("check", "-f", "value"), ("-vv", "plug"), ("-v", "unplug"), ("--debug", "plug"), ("unplug",),
)  # fmt: skip


def _fuzz(terminal: Terminal, tmp_path, seed: int, count: int, commands) -> None:
    bases = documents()
    for number in range(seed, seed + count):
        chance = random.Random(number)  # noqa: S311 - no secret
        path = tmp_path / "odd.json"
        text = json.dumps(spoil(chance, bases[number % len(bases)]), ensure_ascii=number % 2 == 0)
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        for command in commands:
            more = ()
            if command[-1] not in ("--ascii", "validate", "show") and "convert" not in command:
                more = ("--instance-uuid", UUID) if number % 3 else (
                    "--instance-name", argument(chance), "--instance-uuid", argument(chance),
                )  # fmt: skip
            terminal.run(*command, str(path), *more)


def argument(chance: random.Random) -> str:
    """Return an odd text that may be an argument of a program."""
    return "x" + odd_text(chance, UUID).replace("\0", "").replace("\ud800", "")


def test_stored_objects_with_odd_text_are_told_in_plain_lines(terminal, tmp_path):
    _fuzz(terminal, tmp_path, 0, 60, STORED)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_stored_objects_with_odd_text_are_told_in_plain_lines_for_long(terminal, tmp_path):
    _fuzz(terminal, tmp_path, 1000, 5000, STORED)


def test_vifs_with_odd_text_are_plugged_or_refused_in_plain_lines(br_int, terminal, tmp_path):
    _fuzz(terminal, tmp_path, 0, 24, PLUGGED)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_vifs_with_odd_text_are_plugged_or_refused_for_long(br_int, terminal, tmp_path):
    _fuzz(terminal, tmp_path, 1000, 1500, PLUGGED)


def _called(caplog, what: object, call, *arguments: object) -> None:
    """Call the library, and require that its error and what it logs are plain."""
    caplog.clear()
    try:
        result = call(*arguments)
    except (exception.ExceptionBase, ValueError, TypeError) as error:
        if isinstance(error, exception.ExceptionBase):
            require_plain(str(error), what)
        result = ()
    for text in result if isinstance(result, tuple) else ():
        require_plain(str(text), what)
    for record in caplog.records:
        if record.name.startswith(("os_vif", "os-vif", "oslo.privsep", "oslo_privsep")):
            text = record.getMessage()
            require_plain(text, what)
            assert all(line.startswith("  ") for line in text.split("\n")[1:]), (what, text)


def _fuzz_library(caplog, seed: int, count: int) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("os_vif").setLevel(logging.DEBUG)
    instance = objects.InstanceInfo(uuid=UUID, name="x")
    bases = documents()[:8]
    for number in range(seed, seed + count):
        chance = random.Random(number)  # noqa: S311 - no secret
        document = spoil(chance, bases[number % len(bases)])
        _called(caplog, document, serialization.loads, document)
        try:
            vif = serialization.loads(document)
        except exception.SerializationError:
            # One that no reader takes, but a program may have made.
            vif = objects.VIFBridge(
                id=odd_text(chance, UUID), plugin=chance.choice(("ovs", "noop"))
            )
            for field in ("vif_name", "bridge_name"):
                setattr(vif, field, odd_text(chance, "tap0"))
        guest = instance if number % 2 else objects.InstanceInfo(name=odd_text(chance, "guest"))
        for call in (os_vif.plan, os_vif.check, os_vif.plug, os_vif.check, os_vif.unplug):
            _called(caplog, document, call, vif, guest)


def test_the_library_logs_odd_text_in_plain_lines(br_int, caplog):
    _fuzz_library(caplog, 0, 80)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_library_logs_odd_text_in_plain_lines_for_long(br_int, caplog):
    _fuzz_library(caplog, 1000, 8000)


#: Names that the kernel takes: at most 15 bytes, without slash, colon and ASCII space.
DEVICES = ("a\x1b[2Jb", "c\x9b31m", "d\u202ee", "f\x07\x08g", "{}h", "\x7fi", "j\u2028forged")


@pytest.mark.short_form(3)
@pytest.mark.parametrize("name", DEVICES)
def test_devices_with_odd_names_are_told_in_plain_lines(br_int, terminal, tmp_path, name):
    """Such a device is in the bridge of a VIF, and has the ``iface-id`` of another's port."""
    path = tmp_path / "vif.json"
    vif = bridge_vif(1)
    path.write_text(serialization.dumps(vif))
    terminal.run("-v", "plug", str(path))
    for command in (
        ("add", "name", name, "type", "veth", "peer", "name", "far"),
        ("set", "dev", name, "master", "brq-test"),
    ):
        subprocess.run(["ip", "link", *command], check=True)
    for command in (("check",), ("unplug",), ("check",), ("unplug",), ("host-info",)):
        terminal.run(*command, *(() if command == ("host-info",) else (str(path),)))
    subprocess.run(["ip", "link", "delete", "dev", name], check=True)
    port = ovs_vif(create_port=True)
    path.write_text(serialization.dumps(port))
    terminal.run("plug", str(path), "--instance-uuid", UUID)
    br_int.vsctl(
        "add-port", "br-int", name, "--", "set", "Interface", name,
        f"external_ids:iface-id={port.port_profile.interface_id}", f'external_ids:x="{name}"',
    )  # fmt: skip
    for command in (("check",), ("-vv", "plug"), ("-vv", "unplug"), ("check",)):
        terminal.run(*command, str(path), "--instance-uuid", UUID)


@pytest.mark.parametrize("odd", ODD[:9] + ODD[10:16:2] + ("\udcff", "%(levelname)s", "東"))
def test_odd_arguments_files_and_options_are_told_in_plain_lines(terminal, tmp_path, odd):
    text = f"a{odd}b".replace("\0", "")
    place = tmp_path / text.replace("/", "")
    place.write_text('{"apiVersion": "os-vif/2.0", "kind": "VIFBridge", "x": 1}')
    options = tmp_path / "odd.conf"
    options.write_bytes(
        f"[os_vif_ovs]\nx{text!r} = 1\novsdb_connection = {odd.splitlines()[0] if odd.strip() else ''}"
        f"\n[os_vif_{odd.split()[0] if odd.strip() else ''}]\n".encode("utf-8", "surrogateescape")
    )
    for arguments in (
        ("validate", str(place)), ("show", str(place)), ("convert", "--check", str(place)),
        ("show", text), ("plan", text), ("convert", "--check", "--release", text, str(place)),
        ("convert", "--check", "--form", text, str(place)), ("schema", text), (text,), (f"--{text}",),
        ("schema", "--release", text), ("help", text), ("plugins", "-c", text), ("--log-file", "", text),
        ("--config-file", text, "plugins"), ("plugins", "--sort-column", text), ("plugins", f"--{text}"),
        ("convert", "--in-place", str(place)), ("show", "--svg", f"/no/such/{text}", str(place)),
        ("convert", "-o", f"/no/such/{text}", str(place)), ("check", "-f", text, str(place)),
        ("--config-file", str(options), "plugins"), ("--config-file", str(options), "plan", str(place)),
    ):  # fmt: skip
        terminal.run(*map(os.fspath, arguments))
