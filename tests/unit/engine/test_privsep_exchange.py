# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Calls over a connection: the calling threads read the answers."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from oslo_privsep import comm

from os_vif.engine.privsep_exchange import Exchange

TIMEOUT = 30


class Peer:
    """The other end of an exchange: receives messages, and answers when told."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.far.settimeout(TIMEOUT)
        self.channel = comm.ServerChannel(self.far)
        self.logged: list[Any] = []
        self.was_logged, self.has_ended = threading.Event(), threading.Event()
        self.exchange = Exchange(self.near, self.log, self.has_ended.set)
        self.thread = threading.Thread(target=self.exchange.read_between_calls)
        self.thread.start()

    def log(self, message: Any) -> None:
        self.logged.append(message)
        self.was_logged.set()

    def receive(self) -> tuple[int, Any]:
        number, message = next(self.channel)
        return number, message

    def answer(self, number: int | None, content: Any) -> None:
        self.channel.send((number, content))

    def serve(self, count: int) -> None:
        for _ in range(count):
            number, message = self.receive()
            self.answer(number, ("answer to", message))

    def call(self, message: str, timeout: float | None = TIMEOUT) -> Any:
        reply = self.exchange.send_and_wait(message, timeout)
        assert reply.is_done
        return reply.result()


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.far.close()
    made.thread.join(TIMEOUT)
    assert not made.thread.is_alive()
    assert made.near.fileno() == -1


def test_a_call_gets_its_answer(peer: Peer) -> None:
    with ThreadPoolExecutor(1) as pool:
        serving = pool.submit(peer.serve, 2)
        assert peer.call("one") == ("answer to", "one")
        assert peer.call("two") == ("answer to", "two")
        serving.result(TIMEOUT)


def test_answers_in_another_order_reach_their_callers(peer: Peer) -> None:
    """The thread that reads is not the first that ends."""
    with ThreadPoolExecutor(8) as pool:
        calls = {name: pool.submit(peer.call, name) for name in map(str, range(8))}
        received = dict(peer.receive() for _ in calls)
        for number in sorted(received, reverse=True):
            peer.answer(number, ("answer to", received[number]))
        for name, call in calls.items():
            assert call.result(TIMEOUT) == ("answer to", name)


def test_many_threads_at_once(peer: Peer) -> None:
    def call_often(name: str) -> None:
        for number in range(100):
            message = f"{name} {number}"
            assert peer.call(message) == ("answer to", message)

    with ThreadPoolExecutor(9) as pool:
        serving = pool.submit(peer.serve, 800)
        for each in [pool.submit(call_often, str(name)) for name in range(8)]:
            each.result(TIMEOUT)
        serving.result(TIMEOUT)


def test_a_log_record_is_read_between_calls(peer: Peer) -> None:
    peer.answer(None, "log record")
    assert peer.was_logged.wait(TIMEOUT)
    assert peer.logged == ["log record"]


def test_a_log_record_before_the_answer_is_passed_on(peer: Peer) -> None:
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(peer.call, "one")
        number, _ = peer.receive()
        peer.answer(None, "log record")
        peer.answer(number, "done")
        assert call.result(TIMEOUT) == "done"
        assert peer.logged == ["log record"]


def test_a_late_answer_is_discarded(peer: Peer) -> None:
    """The next call gets its own answer."""
    assert not peer.exchange.send_and_wait("slow", 0.01).is_done
    number, _ = peer.receive()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(peer.call, "next")
        following, _ = peer.receive()
        peer.answer(number, "late")
        peer.answer(following, "in time")
        assert call.result(TIMEOUT) == "in time"


def test_a_timeout_of_the_reading_thread_leaves_the_answer_of_another(peer: Peer) -> None:
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(peer.exchange.send_and_wait, "slow", 0.2)
        peer.receive()
        call = pool.submit(peer.call, "next")
        number, _ = peer.receive()
        assert not slow.result(TIMEOUT).is_done
        peer.answer(number, "in time")
        assert call.result(TIMEOUT) == "in time"


def test_an_interrupted_reader_leaves_the_answer_of_another(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As KeyboardInterrupt strikes while the main thread waits."""
    waiting, interrupt = threading.Event(), threading.Event()
    original = peer.exchange._poll

    class Interrupted:
        def poll(self, timeout: float | None) -> Any:
            monkeypatch.setattr(peer.exchange, "_poll", original)
            waiting.set()
            assert interrupt.wait(TIMEOUT)
            raise KeyboardInterrupt

    monkeypatch.setattr(peer.exchange, "_poll", Interrupted())
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(peer.exchange.send_and_wait, "first", None)
        assert waiting.wait(TIMEOUT)
        second = pool.submit(peer.call, "second")
        received = {message: number for number, message in (peer.receive(), peer.receive())}
        interrupt.set()
        with pytest.raises(KeyboardInterrupt):
            first.result(TIMEOUT)
        peer.answer(received["first"], "nobody waits")
        peer.answer(received["second"], "arrives")
        assert second.result(TIMEOUT) == "arrives"


def test_an_answer_can_be_awaited_later(peer: Peer) -> None:
    wait = peer.exchange.send("early")
    number, _ = peer.receive()
    peer.answer(None, "log record")
    peer.answer(number, "done")
    assert peer.was_logged.wait(TIMEOUT)
    assert wait().result() == "done"


@pytest.mark.parametrize("threads", [1, 3])
def test_the_end_of_the_connection_fails_all_calls(peer: Peer, threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        calls = [pool.submit(peer.exchange.send_and_wait, n, None) for n in range(threads)]
        for _ in calls:
            peer.receive()
        peer.far.close()
        for call in calls:
            with pytest.raises(OSError, match="Premature eof"):
                call.result(TIMEOUT).result()
    assert peer.has_ended.is_set()
    with pytest.raises(BrokenPipeError):
        peer.exchange.send_and_wait("later", None)


def test_the_end_of_the_connection_is_noticed_between_calls(peer: Peer) -> None:
    peer.far.close()
    assert peer.has_ended.wait(TIMEOUT)
    with pytest.raises(BrokenPipeError):
        peer.exchange.send_and_wait("later", None)


@pytest.mark.parametrize("sent", [b"\xc1", b"\x01", b"\x92\x80\x01"])
def test_an_unreadable_answer_ends_the_connection(peer: Peer, sent: bytes) -> None:
    """No msgpack; no pair; a number that is no number."""
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(peer.exchange.send_and_wait, "one", None)
        peer.receive()
        peer.far.sendall(sent)
        with pytest.raises(OSError, match="answer cannot be read"):
            call.result(TIMEOUT).result()
    with contextlib.suppress(OSError):
        assert peer.far.recv(1) == b""
