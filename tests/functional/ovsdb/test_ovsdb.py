# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The client of Open vSwitch's database, against a real ovsdb-server, and against none."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time

import pytest

from os_vif import exception
from os_vif.host.ovsdb.connection import Ovsdb
from os_vif.host.ovsdb.notation import mapping, values
from tests.support.ovs import old_releases

INSERT = {"op": "insert", "table": "QoS", "row": {"type": "linux-noop"}, "uuid-name": "q"}


@pytest.fixture
def ovsdb(switch):
    with Ovsdb(switch.connection, 60) as ovsdb:
        yield ovsdb


#: What a server that is alone says of its database, which is asked for first.
ABOUT = (
    '{"id": %(id)s, "error": null, "result": '
    '[{"rows": [{"model": "standalone", "connected": true, "leader": true}]}]}'
)

#: What it says of the schema of its database, which is asked for next.
DESCRIBED = (
    '{"id": %(id)s, "error": null, "result": ' + json.dumps(old_releases.least_schema()) + "}"
)


@contextlib.contextmanager
def server(tmp_path, *answers: str | None, about: tuple[str, ...] = (ABOUT, DESCRIBED)):
    """A server that says these things, one for each request, and then closes; None is silence."""
    path = tmp_path / "fake.sock"
    ended = threading.Event()

    def serve(listening):
        peer, _ = listening.accept()
        with peer:
            for answer in (*about, *answers):
                asked = json.loads(peer.recv(65536))
                if answer is None:
                    ended.wait(10)
                else:
                    peer.sendall((answer % {"id": asked["id"]}).encode())

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(1)
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        yield f"unix:{path}"
        ended.set()
        thread.join()


def test_rows_are_inserted_and_selected(ovsdb):
    """By several operations of one transaction."""
    ovsdb.transact(INSERT | {"row": {"type": "x", "external_ids": ["map", [["a", "b"]]]}})
    (row,) = ovsdb.select("QoS", [["type", "==", "x"]], ["external_ids", "queues"])
    assert mapping(row["external_ids"]) == {"a": "b"}
    assert values(row["queues"]) == [] or mapping(row["queues"]) == {}


def test_a_server_on_tcp_is_reached(switch):
    """As nova's hosts have it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    switch.appctl("ovsdb-server", "ovsdb-server/add-remote", f"ptcp:{port}:127.0.0.1")
    with Ovsdb(f"tcp:127.0.0.1:{port}", 5) as ovsdb:
        assert len(ovsdb.select("Open_vSwitch", [], ["next_cfg"])) == 1


def test_a_transaction_that_is_refused_says_which_operation_and_does_nothing(ovsdb):
    """Also what the server finds at its end, such as two ports of one name."""
    wrong = {"op": "insert", "table": "QoS", "row": {"nonsense": 1}}
    with pytest.raises(exception.OvsdbRefused, match="nonsense") as info:
        ovsdb.transact(INSERT, wrong)
    assert info.value.kwargs["operation"] == 1
    assert ovsdb.select("QoS", []) == []
    bridge = {"op": "insert", "table": "Bridge", "row": {"name": "br"}}
    ref = {"op": "mutate", "table": "Open_vSwitch", "where": []}
    both = [bridge | {"uuid-name": name} for name in ("one", "two")] + [
        ref
        | {
            "mutations": [
                ["bridges", "insert", ["set", [["named-uuid", n] for n in ("one", "two")]]]
            ]
        }
    ]
    with pytest.raises(exception.OvsdbRefused) as info:
        ovsdb.transact(*both)
    assert info.value.kwargs["error"] == "constraint violation"
    assert info.value.kwargs["operation"] is None


@pytest.mark.parametrize(
    ("connection", "said"),
    [
        ("unix:/no/such/socket", "No such file"),
        # In a namespace that has just been made, loopback is down.
        ("tcp:127.0.0.1:1", "refused|Network is unreachable"),
        ("carrier-pigeon:1", "Address family not supported"),
        ("tcp:nonsense", ""),
        ("", "Address family not supported"),
    ],
)
def test_a_server_that_is_not_there_is_named(connection, said):
    """At once, with the reason; nothing was sent."""
    begun = time.monotonic()
    with Ovsdb(connection, 30) as ovsdb, pytest.raises(exception.OvsdbUnreachable) as info:
        ovsdb.select("Bridge", [])
    assert str(info.value).startswith(f"Open vSwitch at {connection}: ")
    assert re.search(said, str(info.value))
    assert time.monotonic() - begun < 25


@pytest.mark.alone
def test_a_server_that_does_not_answer_is_waited_for_as_long_as_configured(tmp_path):
    """Then it is unknown what it did."""
    begun = time.monotonic()
    with (
        server(tmp_path, None) as connection,
        Ovsdb(connection, 0.3) as ovsdb,
        pytest.raises(exception.OvsdbNoAnswer, match=r"no answer within 0\.3 seconds"),
    ):
        ovsdb.transact(INSERT)
    assert 0.3 <= time.monotonic() - begun < 20


@pytest.mark.parametrize("timeout", [0, 5])
def test_a_server_that_goes_is_told_from_one_that_was_never_there(tmp_path, timeout):
    """It may have done it."""
    with (
        server(tmp_path, '{"id": %(id)s, "error": null, "res') as connection,
        Ovsdb(connection, timeout) as ovsdb,
        pytest.raises(exception.OvsdbNoAnswer, match="closed the connection"),
    ):
        ovsdb.transact(INSERT)


def test_nonsense_is_no_answer(tmp_path):
    """What is no JSON-RPC ends the connection."""
    with (
        server(tmp_path, "}}}} no JSON %(id)s") as connection,
        Ovsdb(connection, 5) as ovsdb,
        pytest.raises(exception.OvsdbNoAnswer),
    ):
        ovsdb.transact(INSERT)


def test_a_probe_of_the_server_is_answered(tmp_path):
    """While an answer is awaited; the answer to something else is not taken for it."""
    answer = (
        '{"id": "echo", "method": "echo", "params": ["x"]}'
        '{"id": 999999, "error": null, "result": [{"rows": [1]}]}'
    )
    rest = '{"id": %(id)s, "error": null, "result": [{"rows": []}]}'
    with server(tmp_path, answer + rest, None) as connection, Ovsdb(connection, 5) as ovsdb:
        assert ovsdb.select("QoS", []) == []


def test_one_holds_a_lock_and_the_next_waits_for_it(switch):
    """It goes with the connection, as it does when a process is killed."""
    had = []
    with Ovsdb(switch.connection, 10) as one:
        one.lock("os_vif_a")

        def wait():
            with Ovsdb(switch.connection, 10) as other:
                other.lock("os_vif_a")
                had.append("it")
                assert other.select("QoS", []) == []

        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(0.3)
        assert had == []
    thread.join()
    assert had == ["it"]
    with Ovsdb(switch.connection, 10) as one, Ovsdb(switch.connection, 0.2) as late:
        one.lock("os_vif_a")
        late.lock("os_vif_b")
        with pytest.raises(exception.OvsdbNoAnswer, match="another os-vif is at work"):
            late.lock("os_vif_a")


def test_a_connection_that_was_closed_is_opened_again(ovsdb):
    """At the next use."""
    ovsdb.close()
    assert ovsdb.select("QoS", []) == []
