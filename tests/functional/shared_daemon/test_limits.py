# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Hostile and broken callers: the daemon refuses them, and serves the others."""

from __future__ import annotations

import contextlib
import gc
import pathlib
import socket
import struct
import threading
import time

import hypothesis
import msgpack
import pytest
from hypothesis import strategies as st

import os_vif
from os_vif import exception, objects
from os_vif.engine.shared_calls import shared_protocol as protocol
from os_vif.engine.shared_calls.shared_client import SharedDaemonError, probe
from os_vif.engine.shared_daemon.daemon_limits import Limits
from tests.support.shared_daemon.daemon_callers import MODULE, Caller, locked_state, netns
from tests.support.shared_daemon.shared_daemons import FRIEND, SharedDaemon, call_as
from tests.support.vifs import bridge_vif
from vif_plug_linux_bridge import privsep

INSTANCE = objects.InstanceInfo(name="guest")


def call_to_set_mtu() -> list[object]:
    """Return the message of a call that sets the MTU of a bridge."""
    steps = [["SetLink", {"name": "brq-test", "mtu": 1400}]]
    return [protocol.CALL, MODULE, "run", netns(), [steps]]


def must_serve(daemon: SharedDaemon) -> None:
    """Check that the daemon is the same process, and serves a caller."""
    assert probe(daemon.path, 30).pid == daemon.pid
    vif = bridge_vif(1)
    os_vif.plug(vif, INSTANCE)
    os_vif.unplug(vif, INSTANCE)


_CORRECT = protocol.encode([protocol.CALL, MODULE, "run", None, [[]]])
_WRONG = (
    b"GET / HTTP/1.0\r\n\r\n",
    b"\xff" * 100,
    struct.pack(">I", 0),
    struct.pack(">I", 1) + b"\xc1",
    struct.pack(">I", 2**32 - 1),
    struct.pack(">I", protocol.MAX_CALL + 1) + b"x" * 1000,
    protocol.encode(msgpack.ExtType(5, b"x")),
    protocol.encode({"hello": 1}),
    protocol.encode([]),
    struct.pack(">I", 5000) + b"\x91" * 5000,
)


@pytest.mark.parametrize(
    ("data", "hello"),
    [(_CORRECT, False), *((data, hello) for data in _WRONG for hello in (False, True))],
    ids=range(2 * len(_WRONG) + 1),
)
def test_data_that_is_no_message_is_refused(limited, data, hello):
    with Caller(limited, hello=hello) as caller:
        caller.sock.sendall(data)
        assert caller.refusal().startswith("malformed: ")
    assert probe(limited.path, 30).pid == limited.pid


@pytest.fixture
def limited(daemon) -> SharedDaemon:
    """Provide a running daemon with low limits."""
    daemon.limits = Limits(
        threads=4,
        calls_per_user=6,
        connections=30,
        connections_per_user=20,
        bytes_per_user=5 * 2**20,
        message_timeout=0.5,
    )
    daemon.start()
    return daemon


def test_a_slow_caller_is_disconnected_and_others_are_served(limited):
    """Neither a silent caller nor one that sends a byte at a time keeps a connection."""
    with Caller(limited, hello=False) as silent, Caller(limited) as slow:
        slow.sock.sendall(struct.pack(">I", 100))
        must_serve(limited)
        assert silent.receive() is None
        assert slow.receive() is None
    must_serve(limited)


def test_an_idle_caller_stays_connected(limited):
    with Caller(limited) as idle, Caller(limited) as slow:
        slow.sock.sendall(b"\0")
        assert slow.receive() is None
        idle.send([protocol.CALL, MODULE, "check", netns(), [[]]])
        assert idle.receive() == [protocol.STARTED]
        assert idle.receive()[0] == protocol.ANSWER


def test_too_many_connections_are_refused_in_words(limited):
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(Caller(limited))
        with pytest.raises(
            SharedDaemonError, match=r"20 connections of user 0 are open; expected"
        ):
            probe(limited.path)
        # Another user is served.
        assert call_as(FRIEND, lambda: probe(limited.path).pid) == limited.pid
    # The daemon sees the ends of the connections after those of the requests.
    for _ in range(200):
        with contextlib.suppress(SharedDaemonError):
            probe(limited.path)
            break
    must_serve(limited)


def test_too_many_calls_of_a_user_are_refused_and_another_user_is_served(limited):
    """A user cannot take the last thread."""
    os_vif.plug(bridge_vif(1), INSTANCE)
    step = ["SetLink", {"name": "brq-test", "mtu": 1400}]
    with contextlib.ExitStack() as stack:
        with locked_state():
            callers = [stack.enter_context(Caller(limited)) for _ in range(6)]
            for number, caller in enumerate(callers):
                caller.send([protocol.CALL, MODULE, "run", netns(), [[step]]])
                if number < 3:
                    assert caller.receive() == [protocol.STARTED]
            # The daemon has read a later message of another connection.
            assert probe(limited.path).pid == limited.pid
            with Caller(limited) as further:
                further.send([protocol.CALL, MODULE, "run", netns(), [[step]]])
                kind, reason, text = further.receive()
            assert (kind, reason) == (protocol.REFUSED, protocol.BUSY)
            assert "6 calls of user 0 wait or run" in text
            assert "[os_vif_privileged]max_calls_per_user" in text
            differences = call_as(FRIEND, lambda: privsep.check([["SetLink", {"name": "lo"}]]))
            assert differences["error"] is None
        for caller in callers:
            answer = caller.receive()
            if answer == [protocol.STARTED]:
                answer = caller.receive()
            assert answer[:2] == [protocol.ANSWER, None]
    must_serve(limited)


def test_unfinished_messages_of_a_user_are_limited(limited):
    with contextlib.ExitStack() as stack:
        size = protocol.MAX_CALL
        callers = [stack.enter_context(Caller(limited)) for _ in range(2)]
        kinds = []
        for caller in callers:
            caller.sock.sendall(struct.pack(">I", size))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                caller.sock.sendall(b"\xc0" * (size - 10))
        for caller in callers:
            answer = caller.receive()
            kinds += [answer[1]] if answer else []
        assert protocol.BUSY in kinds
    must_serve(limited)


def test_a_second_call_before_the_answer_is_refused(limited):
    os_vif.plug(bridge_vif(1), INSTANCE)
    call = call_to_set_mtu()
    with locked_state(), Caller(limited) as caller:
        caller.send(call)
        assert caller.receive() == [protocol.STARTED]
        caller.send(call)
        assert caller.refusal() == "malformed: a call before the answer of another"
    must_serve(limited)


def test_a_caller_that_does_not_receive_its_answer_blocks_nobody(limited):
    """The answer is larger than the buffer of the socket."""
    steps = [["SetLink", {"name": "absent", "mtu": 1400}]] * 4000
    with Caller(limited) as caller:
        caller.send([protocol.CALL, MODULE, "check", netns(), [steps]])
        must_serve(limited)
        assert caller.receive() == [protocol.STARTED]
        answer = caller.receive()
    buffer = pathlib.Path("/proc/sys/net/core/wmem_default")
    assert len(protocol.encode(answer)) > int(buffer.read_text())


def test_a_call_of_a_caller_that_has_ended_is_dropped_or_finished(limited):
    os_vif.plug(bridge_vif(1), INSTANCE)
    call = call_to_set_mtu()
    with locked_state():
        for _ in range(6):
            with Caller(limited) as caller:
                caller.send(call)
    # The calls of the ended callers count until the daemon has dropped or finished them.
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            must_serve(limited)
        except exception.PlugException as error:
            assert "max_calls_per_user" in str(error)  # noqa: PT017 - any other error is a fault
            time.sleep(0.05)
        else:
            return
    must_serve(limited)


@pytest.mark.parametrize("number", [0, 2, 99])
def test_a_caller_of_another_protocol_is_refused_with_both_versions(limited, number):
    with Caller(limited, hello=False) as caller:
        caller.send([protocol.HELLO, number, "5.9.1", "old"])
        told = caller.refusal()
    older = "caller" if number < protocol.PROTOCOL else "daemon"
    assert told.startswith(f"version: the {older} is too old")
    assert f"os-vif 5.9.1 (protocol {number})" in told
    assert f"os-vif {protocol.version()} (protocol {protocol.PROTOCOL})" in told


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ([protocol.HELLO, 0, "5.9.1", {}], "the daemon is too old: the caller is os-vif"),
        ([protocol.HELLO, 7, "9.0.0", {}], "the caller is too old: the caller is os-vif"),
        (["welcome"], "is not the socket of a shared privileged daemon"),
        ([protocol.REFUSED, protocol.VERSION, "words of an old daemon"], "words of an old daemon"),
    ],
)
def test_a_daemon_of_another_protocol_is_told_with_both_versions(tmp_path, answer, told):
    path = str(tmp_path / "sock")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()

        def serve() -> None:
            peer, _ = listening.accept()
            with peer:
                peer.sendall(protocol.encode(answer))
                peer.recv(1 << 16)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(SharedDaemonError) as refused:
            probe(path, 10)
        thread.join()
    assert told in str(refused.value)
    if answer[0] == protocol.HELLO:
        assert f"os-vif {answer[2]} (protocol {answer[1]})" in str(refused.value)


def test_descriptors_and_memory_are_flat_over_many_connections(running):
    must_serve(running)
    gc.collect()
    descriptors, memory = running.descriptors(), running.memory()
    for number in range(600):
        with Caller(running, hello=bool(number % 3)) as caller:
            if number % 3:
                caller.send([protocol.CALL, MODULE, "check", netns(), [[]]])
            if number % 3 == 1:
                caller.receive()
    must_serve(running)
    assert running.descriptors() <= descriptors + 1
    assert running.memory() < memory + 4 * 2**20


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)
_CALL = protocol.encode(
    [protocol.CALL, MODULE, "check", None, [[["SetLink", {"name": "lo", "mtu": 9}]]]]
)


@hypothesis.settings(max_examples=60, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(
    st.one_of(
        _PLAIN.map(protocol.encode),
        st.lists(_PLAIN, max_size=4).map(
            lambda more: protocol.encode([protocol.CALL, MODULE, "check", *more])
        ),
        st.tuples(st.integers(0, len(_CALL) - 1), st.integers(0, 255)).map(
            lambda at: _CALL[: at[0]] + bytes([at[1]]) + _CALL[at[0] + 1 :]
        ),
        st.binary(min_size=4, max_size=64),
    )
)
def test_a_mutated_message_is_answered_or_refused(limited, data):
    """And the daemon goes on. A message with a greater length is incomplete: the caller ends."""
    with Caller(limited) as caller:
        caller.sock.sendall(data)
        caller.sock.shutdown(socket.SHUT_WR)
        while (answer := caller.receive()) is not None:
            assert answer[0] in (protocol.STARTED, protocol.ANSWER, protocol.REFUSED)
    assert probe(limited.path, 30).pid == limited.pid
