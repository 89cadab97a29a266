# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif watch``: output, end, and metrics."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

import os_vif as library
from os_vif.testing.private_namespaces import run
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("daemon", "quick_commands")

SECONDS = 60


class Process:
    """A running ``os-vif watch``."""

    def __init__(self, command, *arguments, **more):
        self.process = subprocess.Popen(
            [command, "watch", *arguments],
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | more,
        )

    def line(self):
        """Return the next line of the output as JSON."""
        assert select.select([self.process.stdout], [], [], SECONDS)[0]
        return json.loads(self.process.stdout.readline())

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(SECONDS)


@pytest.fixture
def watch(os_vif_command):
    """Provide a function that starts the command."""
    with contextlib.ExitStack() as processes:

        def start(*arguments, **more):
            process = Process(os_vif_command, *arguments, **more)
            processes.enter_context(process.process)
            processes.callback(process.process.kill)
            return process

        yield start


def wait_for(condition):
    end = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def test_lines_of_json_until_a_signal(vif, instance, watch):
    library.plug(vif, instance)
    run(f"ip link set dev {vif.bridge_name} down")
    process = watch()
    line = process.line()
    assert set(line) == {"vif", "difference", "since"}
    assert line["vif"] == vif.id
    assert line["difference"] == {
        "step": "SetLink",
        "device": vif.bridge_name,
        "attribute": "state",
        "found": "down",
        "expected": "up",
        "pending": False,
    }
    assert line["since"].endswith("Z")
    run(f"ip link set dev {vif.bridge_name} up")
    back = process.line()
    assert (back["vif"], back["difference"]) == (vif.id, None)
    assert process.end() == 0
    assert process.process.stderr.read() == ""


def test_a_closed_pipe_ends_the_watch(vif, instance, watch):
    library.plug(vif, instance)
    run(f"ip link set dev {vif.bridge_name} down")
    process = watch()
    process.line()
    process.process.stdout.close()
    # No event follows: the end of the reader is an event of its own.
    assert process.process.wait(SECONDS) in (0, 141)
    assert process.process.stderr.read() == ""


def test_a_killed_watch_leaves_nothing_and_the_next_one_tells_the_same(vif, instance, watch):
    library.plug(vif, instance)
    run(f"ip link set dev {vif.bridge_name} down")
    first = watch()
    line = first.line()
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    second = watch("--repair", "100ms")
    again = second.line()
    assert again["difference"] == line["difference"]
    assert second.line()["difference"] is None
    assert library.check(vif, instance) == ()
    assert second.end() == 0


def test_a_table_on_a_terminal(vif, instance, watch):
    library.plug(vif, instance)
    run(f"ip link set dev {vif.bridge_name} down")
    ours, theirs = pty.openpty()
    process = watch(stdout=theirs, text=False)
    os.close(theirs)
    shown = b""
    end = time.monotonic() + SECONDS
    while b"state is down, should be up" not in shown:
        assert time.monotonic() < end, shown
        if select.select([ours], [], [], 1)[0]:
            shown += os.read(ours, 65536)
    assert b"1 VIFs, 1 with differences" in shown
    assert process.end() == 0
    os.close(ours)


def metrics(text):
    return dict(
        line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#")
    )


def test_metrics_in_a_file(instance, watch, tmp_path):
    pytest.importorskip("prometheus_client")
    vifs = [bridge_vif(1, "brq-one"), bridge_vif(2, "brq-two")]
    for vif in vifs:
        library.plug(vif, instance)
    (entry, _) = library.inventory()
    path = tmp_path / "os_vif.prom"
    run("ip link set dev brq-two down")
    process = watch("--metrics", str(path), "--repair", "10m")
    process.line()

    def name(state):
        labels = f'kind="VIFBridge",owner="{entry.owner}",plugin="linux_bridge",state="{state}"'
        return f"os_vif_vifs{{{labels}}}"

    def found():
        values = metrics(path.read_text()) if path.exists() else {}
        return values if values.get(name("differs")) == "1.0" else None

    values = wait_for(found)
    assert values[name("right")] == "1.0"
    assert values["os_vif_stale"] == "0.0"
    assert values["os_vif_gc_removed_total"] == "0.0"
    assert values['os_vif_repairs_total{outcome="repaired"}'] == "0.0"
    for state in ("up", "down") * 3:
        run(f"ip link set dev brq-two {state}")
        # The file is replaced as a whole.
        assert path.read_text().endswith("\n")
        assert process.line()["vif"] == vifs[1].id
    # The next file is written beside, and renamed.
    assert {p.name.partition(".prom")[0] for p in tmp_path.iterdir()} == {"os_vif"}
    assert process.end() == 0


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_metrics_by_http_with_repairs_removals_and_seconds(vif, instance, watch):
    pytest.importorskip("prometheus_client")
    run("ip link set dev lo up")
    library.plug(vif, instance)
    library.collect(lambda _: False, older_than=0, pending=True)
    port = free_port()
    process = watch("--metrics", str(port), "--repair", "50ms")
    run(f"ip link set dev {vif.bridge_name} down")

    def found():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                values = metrics(answer.read().decode())
        except OSError:
            return None
        return values if values.get('os_vif_repairs_total{outcome="repaired"}') == "1.0" else None

    values = wait_for(found)
    assert values["os_vif_stale"] == "1.0"
    (count,) = [v for k, v in values.items() if k.startswith("os_vif_plug_seconds_count")]
    assert count == "1.0"
    library.collect(lambda _: False, older_than=0, pending=True)
    # The repair was a plug: the observations have started anew.
    library.collect(lambda _: False, older_than=0, pending=True)
    assert wait_for(found)["os_vif_gc_removed_total"] == "1.0"
    assert process.end() == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--repair", "soon"), "'soon' is no duration"),
        (("--metrics", "99999"), "the port 99999 is above 65535"),
        (("--metrics", "/nonexistent/x.prom"), "--metrics /nonexistent/x.prom: No such file"),
        (("--metrics", "192.0.2.1:9"), "--metrics 192.0.2.1:9: Cannot assign"),
    ],
)
def test_an_unusable_argument_is_bad_input(namespace, os_vif, arguments, expected):
    done = os_vif("watch", *arguments)
    assert done.returncode == 2
    assert expected in done.stderr
