# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Messages come as they were sent, in whatever pieces; and deadlines are kept."""

from __future__ import annotations

import contextlib
import json
import pathlib
import socket
import tempfile
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from os_vif.host.ovsdb.stream import Channel, Deadline

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
        channel = Channel(f"unix:{path}", None, Deadline(30))
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


def test_a_deadline_is_shared_and_passes():
    """Nothing is left then; what others need is not counted; and 0 never passes."""
    deadline = Deadline(0.01)
    with pytest.raises(TimeoutError, match=r"no answer within 0\.01 seconds"):
        deadline.pause(1)
    with pytest.raises(TimeoutError):
        deadline.left()
    deadline.extend(60)
    assert 0 < deadline.left() <= 60
    assert deadline.within(100).seconds <= 60
    assert Deadline(0).left() is None
    assert Deadline(0).within(2).seconds == 2


def test_an_idle_stream_that_is_flooded_is_not_open(tmp_path):
    """Nothing was asked, so what comes is bounded; a probe or two are kept."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        channel = Channel(f"unix:{path}", None, Deadline(30))
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
