# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Limits of the calls at a time: many waiting ADDs delay no other command."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

import pytest

from os_vif.cni import call_limits
from os_vif.cni.call_limits import CallLimit
from os_vif.cni.invocation import command_text
from tests.support.cni import serving


def connect(path, command):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(30)
    sock.connect(str(path))
    message = f"CNI_COMMAND={command}\0".encode()
    sock.sendall(struct.pack("!I", len(message)) + message)
    return sock


@pytest.fixture
def waiting_adds(tmp_path):
    """Provide a server whose ADDs wait for an event, with more ADDs than run at a time."""
    go_on, running = threading.Event(), threading.Semaphore(0)

    def answer(message):
        if command_text(message) == "ADD":
            running.release()
            assert go_on.wait(60)
        return 0, message

    path = tmp_path / "cni.sock"
    limit = call_limits._LIMITS["ADD"]
    with serving(path, answer), contextlib.ExitStack() as stack:
        stack.callback(go_on.set)
        adds = [stack.enter_context(connect(path, "ADD")) for _ in range(limit + 20)]
        for _ in range(limit):
            assert running.acquire(timeout=30)
        yield path, adds, go_on


@pytest.mark.parametrize("command", ["STATUS", "VERSION", "DEL", "CHECK", "GC", "unknown"])
def test_waiting_adds_delay_no_other_command(waiting_adds, command):
    path, _, _ = waiting_adds
    with connect(path, command) as sock:
        assert sock.recv(100)[:1] == b"\0"


def test_each_add_above_the_limit_is_answered_later(waiting_adds):
    _, adds, go_on = waiting_adds
    go_on.set()
    assert {sock.recv(1) for sock in adds} == {b"\0"}


def test_a_queued_call_runs_after_the_call_before():
    limit, order = CallLimit(1), []

    def first():
        limit.run(lambda: order.append("second"))
        order.append("first")

    limit.run(first)
    limit.run(lambda: order.append("third"))
    assert order == ["first", "second", "third"]


@pytest.mark.parametrize(
    ("message", "command"),
    [
        (b"CNI_COMMAND=ADD\0CNI_CONTAINERID=\0", "ADD"),
        (b"CNI_COMMAND=STATUS", "STATUS"),
        (b"CNI_COMMAND=\0", ""),
        (b"OTHER=ADD\0CNI_COMMAND=ADD\0", ""),
        (b"", ""),
        (b"CNI_COMMAND=\xff\0", "\ufffd"),
    ],
)
def test_the_command_of_a_message(message, command):
    assert command_text(message) == command
