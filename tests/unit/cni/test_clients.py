# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Both clients of the CNI plugin: bytes of the message, answers, and a daemon that is missing."""

from __future__ import annotations

import os
import socket
import stat
import struct
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from os_vif.cni import invocation
from tests.support import cni
from tests.support.cni import VERSIONS, Runtime, serving


def test_the_client_sends_the_environment_and_standard_input_without_a_change(runtime):
    received = []

    def answer(message):
        received.append(message)
        return 0, b"the answer\n"

    text = '{"cniVersion": "1.0.0",\n\t"name": "n\u00e9t"}\n'
    with serving(runtime.socket, answer):
        got = runtime.call("ADD", text, CNI_ARGS="A=1;B=2")
    assert (got.code, got.output) == (0, "the answer\n")
    environment, raw = invocation.split_message(received[0])
    assert environment == {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": "c1",
        "CNI_NETNS": "/run/netns/c1",
        "CNI_IFNAME": "eth0",
        "CNI_ARGS": "A=1;B=2",
        "CNI_PATH": "/usr/lib/cni",
    }
    assert raw == text.encode()


def test_a_variable_that_is_not_set_is_empty(runtime):
    received = []
    with serving(runtime.socket, lambda message: (received.append(message), (0, b""))[1]):
        runtime.call("DEL", "{}", CNI_NETNS=None).succeeded()
    assert invocation.split_message(received[0])[0]["CNI_NETNS"] == ""


@pytest.mark.parametrize("code", [0, 1, 77, 255])
def test_the_exit_code_is_the_first_byte_of_the_answer(runtime, code):
    with serving(runtime.socket, lambda _: (code, b"text")):
        answer = runtime.call("ADD", "{}")
    assert (answer.code, answer.output) == (code, "text")


def test_long_input_and_long_output_are_complete(runtime):
    text = "x" * 1_000_000
    with serving(runtime.socket, lambda message: (0, message[-len(text) :] * 2)):
        answer = runtime.call("ADD", text)
    assert answer.output == text * 2


def test_empty_input_is_sent(runtime):
    with serving(runtime.socket, lambda message: (0, message[-1:])):
        assert runtime.call("VERSION", "").output == "\0"


@pytest.mark.parametrize("version", VERSIONS)
def test_without_a_daemon_the_runtime_is_asked_to_try_again_later(runtime, version):
    configuration = {"name": "n", "cniVersion": version}
    for command, code in (("ADD", 11), ("DEL", 11), ("CHECK", 11), ("GC", 11), ("STATUS", 50)):
        error = runtime.call(command, configuration).error
        assert (error["cniVersion"], error["code"]) == (version, code)
        assert error["msg"] == "os-vif cni-daemon does not answer"


def test_without_a_daemon_the_supported_versions_are_told(runtime):
    result = runtime.call("VERSION", {"cniVersion": "0.4.0"}).result
    assert result == {"cniVersion": "0.4.0", "supportedVersions": list(VERSIONS)}


def test_without_a_daemon_odd_input_gives_valid_json(runtime):
    for text in ("", "{", '{"cniVersion"', '{"cniVersion": 5}', '{"cniVersion": "a\\"b"}', "\0\0"):
        error = runtime.call("ADD", text).error
        assert (error["cniVersion"], error["code"]) == ("1.1.0", 11)


def test_a_path_too_long_for_a_socket_is_an_error(runtime):
    error = runtime.call("ADD", "{}", OS_VIF_CNI_SOCKET="/" + "s" * 200).error
    assert error["code"] == 11


@pytest.mark.parametrize("reads", [False, True])
def test_a_daemon_that_ends_before_the_answer_gives_try_again(runtime, reads):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(runtime.socket))
        listening.listen()

        def end():
            connection, _ = listening.accept()
            if reads:
                (length,) = struct.unpack("!I", connection.recv(4, socket.MSG_WAITALL))
                connection.recv(length, socket.MSG_WAITALL)
            connection.close()

        thread = threading.Thread(target=end)
        thread.start()
        error = runtime.call("ADD", "{}" + " " * 500_000).error
        thread.join()
    assert error["code"] == 11
    assert "ended before the answer" in error["details"]


def test_the_socket_is_for_its_user_only(runtime):
    with serving(runtime.socket, lambda _: (0, b"")):
        mode = runtime.socket.stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert not runtime.socket.exists()


def test_another_user_is_refused(runtime, monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("needs root, to call as another user")
    called = []
    with serving(runtime.socket, lambda message: (called.append(message), (0, b""))[1]) as server:
        server._users = {12345}
        error = runtime.call("ADD", "{}").error
    assert error["code"] == 103
    assert not called


def _connection(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(30)
    sock.connect(str(path))
    return sock


def _answer_of(sock):
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
    return b"".join(parts)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(data=st.binary(max_size=200))
def test_the_server_survives_any_bytes(shared_server, data):
    with _connection(shared_server) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        _answer_of(sock)
    with _connection(shared_server) as sock:
        sock.sendall(struct.pack("!I", 2) + b"ok")
        assert _answer_of(sock) == b"\0ok"


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory):
    path = tmp_path_factory.mktemp("server") / "cni.sock"
    with serving(path, lambda message: (0, message)):
        yield path


def test_a_message_that_is_too_long_is_refused_before_it_is_read(shared_server):
    with _connection(shared_server) as sock:
        sock.sendall(struct.pack("!I", 0xFFFFFFFF))
        answer = _answer_of(sock)
    assert answer[0] == 1
    assert b"too long" in answer


def test_a_slow_client_does_not_delay_another(shared_server):
    with _connection(shared_server) as slow, _connection(shared_server) as quick:
        slow.sendall(b"\0\0")
        quick.sendall(struct.pack("!I", 1) + b"q")
        assert _answer_of(quick) == b"\0q"
        slow.sendall(b"\0\1s")
        assert _answer_of(slow) == b"\0s"


def test_stop_finishes_a_running_call(c_client, tmp_path):
    runtime = Runtime(c_client, tmp_path / "cni.sock")
    began, go_on = threading.Event(), threading.Event()

    def answer(_):
        began.set()
        assert go_on.wait(30)
        return 0, b"done"

    with serving(runtime.socket, answer) as server:
        with runtime.start("ADD") as process:
            process.stdin.close()
            assert began.wait(30)
            server.stop()
            go_on.set()
            assert process.stdout.read() == b"done"
        assert process.returncode == 0


def test_clients_and_daemon_have_the_same_versions_and_socket():
    listed = ",".join(f'"{version}"' for version in VERSIONS)
    python, c = cni.PYTHON_CLIENT.read_text(), cni.C_CLIENT.read_text()
    assert listed in python
    assert listed in c.replace('\\"', '"').replace('"\n                      "', "")
    assert "/run/os-vif/cni.sock" in python
    assert "/run/os-vif/cni.sock" in c
