# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Nova is an ordinary user, and the socket of ovsdb-server is root's.

A real ovsdb-server, a process of another user, and a real privileged daemon.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import threading

import pytest

from os_vif.engine import ovsdb_socket
from os_vif.host.ovsdb import remotes
from os_vif.host.ovsdb.deadline import Deadline
from testbed import ovs

ROOT = pathlib.Path(__file__).parents[3]
ORDINARY = 65534
PROGRAM = """
import sys
from oslo_config import cfg
import os_vif
from os_vif import exception, objects
cfg.CONF(sys.argv[1:], project="os-vif")
os_vif.initialize()
port = "1b2c3d4e-0000-4000-8000-000000000000"
vif = objects.VIFOpenVSwitch(
    id=port, address="fa:16:3e:00:00:01", plugin="ovs", vif_name="tap1b2c3d4e-00",
    network=objects.Network(bridge="br-int", mtu=1500),
    port_profile=objects.VIFPortProfileOpenVSwitch(interface_id=port, create_port=True))
guest = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")
"""
PLUG = """
os_vif.plug(vif, guest)
print([str(d) for d in os_vif.check(vif, guest) if not d.pending])
"""
REFUSED = """
try: os_vif.plug(vif, guest)
except exception.PlugException as error: print(error)
"""


@pytest.fixture
def switch(namespace, tmp_path):
    """Of root, as is its socket."""
    if missing := ovs.missing():
        pytest.skip(missing)
    with ovs.DummySwitch(tmp_path) as switch:
        (socket_path,) = remotes.unix_paths(switch.connection)
        pathlib.Path(socket_path).chmod(0o750)
        switch.vsctl("add-br", "br-int")
        yield switch


@pytest.fixture
def run(switch, tmp_path, quick_helper):
    """Run a program as another user; what it prints comes back."""
    user = [
        *("setpriv", f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups"),
        # To read this checkout, whatever its mode. It does not let a process open a socket.
        *(f"--{k}=-all,+dac_read_search" for k in ("inh-caps", "ambient-caps", "bounding-set")),
    ]
    if subprocess.run([*user, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("root of this namespace cannot be another user")
    # That user may start the privileged daemon, as with sudo.
    socket = pathlib.Path(quick_helper.split()[-1])
    socket.parent.chmod(0o755)
    socket.chmod(0o777)
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, ORDINARY, ORDINARY)

    def start(code: str, *options: str, helper: str = quick_helper, owner: int = 0) -> str:
        path = tmp_path / "my.conf"
        lines = ["[vif_plug_ovs_privileged]", f"helper_command = {helper} --config-file {path}",
                 "[os_vif_ovs]",
                 "ovs_vsctl_timeout = 10", *options]  # fmt: skip
        path.write_text("\n".join(lines))
        path.chmod(0o644)
        os.chown(path, owner, owner)
        done = subprocess.run(
            [*user, sys.executable, "-P", "-W", "ignore", "-c", PROGRAM + code,
             "--config-file", str(path)],
            cwd=home,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(home),
                 "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(home)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return start


def test_vsctl_plugs_and_unplugs_through_the_privileged_daemon(run, switch):
    """The rows are there, nothing differs, and then nothing is left."""
    options = ("ovsdb_interface = vsctl", f"ovsdb_connection = {switch.connection}")
    before = switch.dump()
    assert run(PLUG, *options) == "[]\n"
    ids = switch.vsctl("get", "Interface", "tap1b2c3d4e-00", "external_ids")
    assert 'iface-id="1b2c3d4e-0000-4000-8000-000000000000"' in ids
    run("os_vif.unplug(vif, guest)", *options)
    assert switch.dump() == before


def test_native_names_the_option_that_helps(run, switch):
    """And does nothing."""
    before = switch.dump()
    told = run(REFUSED, "ovsdb_interface = native", f"ovsdb_connection = {switch.connection}")
    assert (
        "Permission denied: this user may not open the socket; [os_vif_ovs]ovsdb_interface = vsctl"
        in told
    )
    assert switch.connection in told
    assert switch.dump() == before


@pytest.mark.parametrize("owner", [ORDINARY, 0], ids=["its-file", "root-file-in-its-folder"])
def test_the_daemon_opens_no_socket_that_the_caller_has_chosen(run, switch, tmp_path, owner):
    """A file that the caller can change says nothing to the daemon."""
    if owner == 0:
        tmp_path.chmod(0o777)
    options = ("ovsdb_interface = vsctl", f"ovsdb_connection = {switch.connection}")
    told = run(REFUSED, *options, owner=owner)
    assert "is not opened for a caller: it is neither /run/openvswitch/db.sock nor what" in told


def test_a_daemon_that_does_not_start_is_told(run, switch):
    """With what it was needed for."""
    options = ("ovsdb_interface = vsctl", f"ovsdb_connection = {switch.connection}")
    told = run(REFUSED, *options, helper="false")
    assert "this user may not open the socket, and the privileged daemon did not start" in told


def test_an_empty_connection_is_the_socket_of_open_vswitch(run):
    """As for ovs-vsctl that is given none."""
    told = run(
        "print(os_vif.plugin_errors(), os_vif._plugin('ovs')._switch().connection)",
        "ovsdb_interface = vsctl", "ovsdb_connection =",
    )  # fmt: skip
    assert told == "{} unix:/run/openvswitch/db.sock\n"


@pytest.fixture
def database(tmp_path):
    """A socket that listens."""
    path = tmp_path / "db.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        listening.settimeout(10)
        yield str(path), listening


def test_the_caller_takes_nothing_from_a_stranger(database):
    """Who does not know the token may send what they like: the daemon's descriptor is taken."""
    path, listening = database

    def connect(asked: str, name: str, token: str, user: int):
        for said in (b"", b"x", token[:-1].encode()):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
                stranger.connect(f"\0{name}")
                with contextlib.suppress(OSError):
                    socket.send_fds(stranger, [said], [0] if said else [])
        return ovsdb_socket.hand_over([path], asked, name, token, user)

    with ovsdb_socket.request_socket(connect, path, Deadline(10)) as opened:
        served, _ = listening.accept()
        with served:
            served.sendall(b"{}")
            opened.settimeout(10)
            assert opened.recv(10) == b"{}"


def test_the_daemon_sends_nothing_to_another_user(database):
    """The listener has to be the user of whom the caller speaks."""
    path, _ = database
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as caller:
        caller.bind("\0os-vif-test-another-user")
        caller.listen()
        answer = ovsdb_socket.hand_over(
            [path], path, "os-vif-test-another-user", "token", os.geteuid() + 1
        )
        assert answer["error"][1] == "another user listens at the address of the caller"
        caller.settimeout(10)
        peer, _ = caller.accept()
        with peer:
            assert socket.recv_fds(peer, 100, 1)[:2] == (b"", [])


@pytest.mark.parametrize(
    "request_", [(1, "n", "t", 0), ("p", None, "t", 0), ("p", "n", [], 0), ("p", "n", "t", "0"),
                 ("p", "n", "t", True)],
)  # fmt: skip
def test_the_daemon_refuses_a_request_of_other_types(request_):
    assert ovsdb_socket.hand_over(["p"], *request_)["error"] is not None


def test_the_daemon_gone_after_the_call_ends_within_the_deadline():
    """It said that all is well, and sent nothing."""
    with pytest.raises(TimeoutError):
        ovsdb_socket.request_socket(lambda *_: {"error": None}, "/nowhere", Deadline(0.3))


def test_many_callers_get_a_connection_each(database):
    """At once."""
    path, _ = database
    found: list[object] = []

    def connect(*request):
        return ovsdb_socket.hand_over([path], *request)

    threads = [
        threading.Thread(
            target=lambda: found.append(ovsdb_socket.request_socket(connect, path, Deadline(10)))
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(found) == len(threads)
    for opened in found:
        opened.close()
