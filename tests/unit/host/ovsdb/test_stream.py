# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Messages come as they were sent, in whatever pieces; and deadlines are kept."""

from __future__ import annotations

import contextlib
import errno
import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from os_vif.host.ovsdb import server_socket
from os_vif.host.ovsdb.deadline import Deadline
from os_vif.host.ovsdb.framing import JsonFramer
from os_vif.host.ovsdb.stream import JsonRpcStream

TEXT = st.text(alphabet=st.one_of(st.sampled_from('{}[]"\\,: é東'), st.characters(codec="utf-8")))
JSON = st.recursive(
    st.one_of(TEXT, st.integers(), st.none(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)
MESSAGES = st.lists(st.dictionaries(TEXT, JSON, max_size=3), min_size=1, max_size=4)


@given(MESSAGES, st.lists(st.integers(1, 9), min_size=1, max_size=5), st.sampled_from(["", " \n"]))
@settings(max_examples=60, deadline=None)
def test_messages_are_the_same_in_whatever_pieces_they_come(messages, sizes, between):
    """Also where a character or an escape is cut, and where there is space between them."""
    text = between.join(json.dumps(message, ensure_ascii=False) for message in messages)
    data = (between + text).encode()
    with tempfile.TemporaryDirectory() as place, socket.socket(socket.AF_UNIX) as listening:
        path = pathlib.Path(place) / "s"
        listening.bind(str(path))
        listening.listen()
        channel = JsonRpcStream(f"unix:{path}", None, Deadline(30))
        peer, _ = listening.accept()

        def send():
            at = n = 0
            while at < len(data):
                size = sizes[n % len(sizes)]
                peer.sendall(data[at : at + size])
                at, n = at + size, n + 1
            peer.close()

        thread = threading.Thread(target=send)
        thread.start()
        try:
            assert [channel.receive(Deadline(30)) for _ in messages] == messages
            with pytest.raises(ConnectionResetError, match="the server closed the connection"):
                channel.receive(Deadline(30))
        finally:
            thread.join()
            channel.close()


@given(MESSAGES, st.lists(st.integers(1, 9), min_size=1, max_size=5), st.sampled_from(["", " \n"]))
@settings(max_examples=200, deadline=None)
def test_a_framer_needs_no_socket(messages, sizes, between):
    """Each message comes out once all of its bytes are in, and not before; nothing is left."""
    framer, found = JsonFramer(), []
    texts = [between + json.dumps(message, ensure_ascii=False) for message in messages]
    for number, text in enumerate(texts):
        data, at, n = text.encode(), 0, 0
        while at < len(data):
            assert framer.next_message() is None
            size = sizes[n % len(sizes)]
            framer.feed(data[at : at + size])
            at, n = at + size, n + 1
        found.append(framer.next_message())
        assert len(found) == number + 1
    assert found == messages
    assert framer.next_message() is None
    assert len(framer) == 0


@given(MESSAGES)
@settings(max_examples=60, deadline=None)
def test_a_framer_splits_messages_that_come_at_once(messages):
    """With the beginning of another one, which stays."""
    framer = JsonFramer()
    framer.feed("".join(map(json.dumps, messages)).encode() + b'{"id": ')
    assert [framer.next_message() for _ in messages] == messages
    assert framer.next_message() is None
    framer.feed(b"1}")
    assert framer.next_message() == {"id": 1}


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"no JSON", "no JSON"), (b"}", "no JSON"), (b"[" * 100, "nested"), (b"[1]", "a message is")],
)
def test_a_framer_refuses_what_is_no_message(data, said):
    """With one error of one kind."""
    framer = JsonFramer()
    framer.feed(data)
    with pytest.raises(OSError, match=said) as info:
        framer.next_message()
    assert info.value.errno == errno.EPROTO


@pytest.mark.parametrize("length", [107, 108, 300])
@pytest.mark.parametrize("kind", ["absolute", "relative"])
def test_a_path_of_any_length_is_reached(tmp_path, monkeypatch, kind, length):
    """unix(7) has 107 bytes; a relative path begins in OVS_RUNDIR."""
    place = tmp_path / "d"
    name = "db.sock"
    while len(str(place / name)) < length:
        rest = length - len(str(place / name)) - 1
        place /= "x" * min(max(rest, 1), 100)
    place.mkdir(parents=True)
    monkeypatch.chdir(place)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(name)
        listening.listen()
        if kind == "relative":
            monkeypatch.setenv("OVS_RUNDIR", str(tmp_path))
        monkeypatch.chdir("/")
        path = place / name if kind == "absolute" else (place / name).relative_to(tmp_path)
        channel = JsonRpcStream(f"unix:{path}", None, Deadline(30))
        peer, _ = listening.accept()
        channel.send({"id": 1}, Deadline(30))
        assert json.loads(peer.recv(100)) == {"id": 1}
        channel.close()
        peer.close()


def test_a_long_path_that_is_not_there_is_told(tmp_path):
    """The directory, the socket, or a name that no address can hold."""
    long = tmp_path / ("x" * 120)
    for path in (long / "db.sock", long, tmp_path / ("y" * 200)):
        with pytest.raises(OSError, match=r"No such file|File name too long"):
            JsonRpcStream(f"unix:{path}", None, Deadline(30))
        long.mkdir(exist_ok=True)


def test_a_server_with_a_full_queue_is_waited_for(tmp_path):
    """A unix socket says so at once; the deadline is kept."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listening, contextlib.ExitStack() as stack:
        listening.bind(str(path))
        listening.listen(0)

        def fill():
            for _ in range(10):
                channel = JsonRpcStream(f"unix:{path}", None, Deadline(0.3))
                stack.callback(channel.close)

        with pytest.raises(TimeoutError):
            fill()
        peer, _ = listening.accept()
        peer.close()
        JsonRpcStream(f"unix:{path}", None, Deadline(30)).close()


def test_a_request_on_tcp_does_not_wait_for_the_answer_before(monkeypatch):
    """Small segments go at once, in the class of traffic of Open vSwitch's own programs."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        opened = server_socket.connect(
            f"tcp:127.0.0.1:{listening.getsockname()[1]}", None, Deadline(30)
        )
        with opened:
            assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert opened.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0xC0


PYTHON_OVS = """
import sys
from os_vif.host.ovsdb import connection, server_socket, tls
import os_vif.engine.ovs.ovs_transaction, os_vif.plugins.ovs
assert tls.process_tls_settings() is None
assert "ovs" not in sys.modules, sorted(name for name in sys.modules if "ovs" in name)
from ovs.stream import Stream
assert tls.process_tls_settings() is None
Stream.ssl_set_private_key_file("/key")
Stream.ssl_set_certificate_file("/certificate")
assert tls.process_tls_settings() is None
Stream.ssl_set_ca_cert_file("/ca")
assert tls.process_tls_settings() == tls.Tls("/key", "/certificate", "/ca")
"""


def test_what_is_set_for_python_ovs_counts_and_python_ovs_is_not_loaded_for_it():
    """A program that has set nothing need not have it installed."""
    command = [sys.executable, "-W", "ignore", "-c", PYTHON_OVS]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_deadline_is_shared_and_passes():
    """Nothing is left then; what others need is not counted; and 0 never passes."""
    deadline = Deadline(0.01)
    with pytest.raises(TimeoutError, match=r"no answer within 0\.01 seconds"):
        deadline.pause(1)
    with pytest.raises(TimeoutError):
        deadline.seconds_left()
    deadline.extend(60)
    assert 0 < deadline.seconds_left() <= 60
    assert deadline.min_with(100).seconds <= 60
    assert Deadline(0).seconds_left() is None
    assert Deadline(0).min_with(2).seconds == 2


def test_an_idle_stream_that_is_flooded_is_not_open(tmp_path):
    """Nothing was asked, so what comes is bounded; a probe or two are kept."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        channel = JsonRpcStream(f"unix:{path}", None, Deadline(30))
        peer, _ = listening.accept()
        probe = b'{"method": "echo", "params": [], "id": "echo"}'
        peer.sendall(probe * 2)
        assert channel.is_open()
        assert channel.receive(Deadline(30))["method"] == "echo"

        def flood():
            with contextlib.suppress(OSError):
                while True:
                    peer.sendall(probe * 1000)

        thread = threading.Thread(target=flood)
        thread.start()
        try:
            deadline = Deadline(30)
            while channel.is_open():
                deadline.pause(0.01)
        finally:
            channel.close()
            thread.join()
            peer.close()


@given(MESSAGES, st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_a_known_text_is_returned_without_decoding_and_every_other_text_is_decoded(messages, size):
    """The sizes of the pieces do not matter, nor does a message before the known text."""
    known = {"id": "select", "result": ["}", {"rows": messages}], "error": None}
    changed = known | {"result": [*known["result"], "more"]}
    texts = [json.dumps(message).encode() for message in (known, changed, *messages, known)]
    with tempfile.TemporaryDirectory() as place, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(pathlib.Path(place) / "s"))
        listening.listen()
        channel = JsonRpcStream(f"unix:{place}/s", None, Deadline(30))
        peer, _ = listening.accept()

        def receive(text, digest):
            # A unix socket has room for some hundred pieces.
            piece = max(size, len(text) // 50)
            for at in range(0, len(text), piece):
                peer.sendall(text[at : at + piece])
            return channel.receive_unless_known(digest, Deadline(30))

        with contextlib.closing(channel), peer:
            message, digest = receive(texts[0], None)
            assert message == known
            assert digest is not None
            assert receive(texts[0], digest) == (texts[0], digest)
            assert receive(texts[1], digest)[0] == changed
            assert receive(texts[0], digest) == (texts[0], digest)
            peer.sendall(b"".join(texts[2:]))
            for expected in (*messages, known):
                found, _ = channel.receive_unless_known(digest, Deadline(30))
                assert (json.loads(found) if isinstance(found, bytes) else found) == expected
