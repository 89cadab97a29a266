# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Nobody waits for another's server: threads, green threads, and processes with many files."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import resource
import socket
import subprocess
import sys
import threading

import pytest
from ovs.stream import Stream

import os_vif
from os_vif import exception
from os_vif.engine import runner
from os_vif.host.ovsdb.connection import Ovsdb
from os_vif.steps.ovs.bridge import EnsureOvsBridge
from os_vif.steps.plan import OvsdbTarget as At
from os_vif.steps.plan import Plan
from testbed.environments import CHECKOUT
from tests.support.cases import ovs_vif
from tests.support.ovs.tls import OPTIONS
from tests.support.ovs.vifs import INSTANCE


@contextlib.contextmanager
def silent(path):
    """A server that takes connections, and says nothing until the end; then it hangs up."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(64)
        yield f"unix:{path}"


def test_threads_do_not_wait_for_each_other(br_int, ovs_options, tmp_path):
    """Eight plug and unplug while two wait for ever: for a server, and for a lock."""
    failed, waiting = [], []

    def wait(plan):
        with pytest.raises(exception.StepFailed, match="Nothing was done"):
            runner.run(plan, "vif_plug_ovs.privsep")
        waiting.remove(plan)

    def work(number):
        try:
            for _ in range(3):
                os_vif.plug(ovs_vif(create_port=True, number=number), INSTANCE)
                os_vif.unplug(ovs_vif(create_port=True, number=number), INSTANCE)
        except exception.ExceptionBase as error:
            failed.append(str(error))

    ovs_options(ovs_vsctl_timeout=60)
    with silent(tmp_path / "silent.sock") as nowhere:
        waiting.append(Plan(EnsureOvsBridge("br"), switch=At(nowhere, 0)))
        hung = threading.Thread(target=wait, args=(waiting[0],))
        hung.start()
        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
        assert len(waiting) == 1
    hung.join(10)
    assert not hung.is_alive()
    assert failed == []
    assert br_int.vsctl("list-ports", "br-int") == ""


GREEN = """
import eventlet
eventlet.monkey_patch()
import json, socket, sys
import os_vif
from oslo_config import cfg
from os_vif import exception, objects
from os_vif.host.ovsdb.tls import Tls
from os_vif.host.ovsdb.connection import Ovsdb
from tests.support.cases import ovs_vif

told = json.loads(sys.argv[1])
cfg.CONF([], project="os-vif", default_config_files=[], default_config_dirs=[])
os_vif.initialize()
for option, value in told["options"].items():
    cfg.CONF.set_override(option, value, group="os_vif_ovs")
tls = Tls(*told["tls"])
instance = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000")
waiting, ticks = [], []

def waits(name, call):
    waiting.append(name)
    try:
        call()
    finally:
        waiting.remove(name)

def tick():
    while True:
        ticks.append(1)
        eventlet.sleep(0.005)

def plug(number):
    one = ovs_vif(create_port=True, number=number)
    os_vif.plug(one, instance)
    assert [d for d in os_vif.check(one, instance) if not d.pending] == []
    os_vif.unplug(one, instance)

silent = eventlet.listen(("127.0.0.1", 0))
at = f"127.0.0.1:{silent.getsockname()[1]}"
connection = told["options"]["ovsdb_connection"]
holder = Ovsdb(connection, 60, tls)
holder.lock("os_vif_a")
eventlet.spawn(tick)
hung = [
    eventlet.spawn(waits, "server", Ovsdb(f"tcp:{at}", 0).connect),
    eventlet.spawn(waits, "handshake", Ovsdb(f"ssl:{at}", 0, tls).connect),
    eventlet.spawn(waits, "lock", lambda: Ovsdb(connection, 0, tls).lock("os_vif_a")),
]
with eventlet.Timeout(60):
    eventlet.sleep(0.1)
    before = len(ticks)
    list(eventlet.GreenPool().imap(plug, range(8)))
    assert sorted(waiting) == ["handshake", "lock", "server"], waiting
    # The others went on meanwhile.
    assert len(ticks) > before
    try:
        Ovsdb(f"ssl:{at}", 0.2, tls).connect()
    except exception.OvsdbUnreachable as error:
        assert "no answer within 0.2 seconds" in str(error), error
    else:
        raise AssertionError
    holder.close()
    hung[2].wait()
    assert waiting == ["server", "handshake"], waiting
"""


def test_green_threads_do_not_wait_for_each_other(secured, client):
    """By TLS: eight plug and unplug while others wait for a server, a handshake and a lock."""
    pytest.importorskip("eventlet", reason="oslo.versionedobjects no longer brings eventlet")
    files = dataclasses.astuple(client)[:3]
    options = dict(zip(OPTIONS, files, strict=True)) | {"ovsdb_connection": secured}
    told = json.dumps({"options": options, "tls": files})
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", GREEN, told],
        capture_output=True,
        text=True,
        check=False,
        cwd=CHECKOUT,
    )
    assert done.returncode == 0, done.stderr


def test_a_process_with_many_files_open_is_served(switch, monkeypatch):
    """select(2) takes no descriptor above 1023; and nothing of python-ovs or Python is replaced."""
    ours = (dict(Stream._SOCKET_METHODS), socket.socket, Stream.open)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip("needs a hard limit of 2000 open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        switch.appctl("ovsdb-server", "ovsdb-server/add-remote", f"ptcp:{port}:127.0.0.1")
        for connection in (switch.connection, f"tcp:127.0.0.1:{port}"):
            with Ovsdb(connection, 20) as ovsdb:
                assert len(ovsdb.select("Open_vSwitch", [], ["next_cfg"])) == 1
    finally:
        for file in files:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert ours == (Stream._SOCKET_METHODS, socket.socket, Stream.open)
