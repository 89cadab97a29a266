# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The loop of a private daemon, in the place of the loop of oslo.privsep."""

from __future__ import annotations

import socket
import threading
import types
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import pytest
from oslo_privsep import comm

from os_vif.engine.privileged import call_loop

TIMEOUT = 30


class Daemon:
    """The members of oslo.privsep's daemon that the loop uses."""

    def __init__(self, sock: socket.socket, answer: Callable[[Any], Any]) -> None:
        self.channel: Any = comm.ServerChannel(sock)
        self.communication_error: BaseException | None = None
        self.answer = answer
        self.threads: list[str] = []

    def _process_cmd(self, call: Any, *command: Any) -> Any:
        self.threads.append(threading.current_thread().name)
        return self.answer(command)

    def _create_done_callback(self, call: Any) -> Callable[[futures.Future[Any]], None]:
        def send(done: futures.Future[Any]) -> None:
            try:
                self.channel.send((call, done.result()))
            except OSError as error:
                self.communication_error = error
            except ValueError as error:
                self.channel.send((call, ("failed", str(error))))

        return send

    def loop(self) -> None:
        for _ in self.channel:
            raise AssertionError("the loop yields no message")


class Caller:
    """The other end of the connection of a daemon."""

    def __init__(self, answer: Callable[[Any], Any], threads: int = 4) -> None:
        self.near, far = socket.socketpair()
        self.near.settimeout(TIMEOUT)
        self.channel = comm.ServerChannel(self.near)
        self.daemon = Daemon(far, answer)
        call_loop.replace_channel(self.daemon, threads)
        self.pool = futures.ThreadPoolExecutor(1)
        self.ended = self.pool.submit(self.daemon.loop)
        self.far = far

    def send(self, call: int, *command: Any) -> None:
        self.channel.send((call, command))

    def receive(self) -> tuple[Any, Any]:
        call, answer = next(self.channel)
        return call, answer

    def close(self) -> None:
        self.near.close()
        self.pool.shutdown()
        if self.daemon.channel._pool is not None:
            self.daemon.channel._pool.shutdown()
        self.far.close()


@pytest.fixture
def connect() -> Iterator[Callable[..., Caller]]:
    made: list[Caller] = []

    def create(answer: Callable[[Any], Any], threads: int = 4) -> Caller:
        made.append(Caller(answer, threads))
        return made[-1]

    yield create
    for caller in made:
        caller.close()


@pytest.mark.parametrize("threads", [1, 4])
def test_calls_are_answered(connect: Callable[..., Caller], threads: int) -> None:
    caller = connect(lambda command: ("answer", *command), threads)
    for number in range(20):
        caller.send(number, "call", number)
        assert caller.receive() == (number, ("answer", "call", number))
    # No call was handed to another thread.
    assert set(caller.daemon.threads) == {"privsep_calls"}


def test_a_long_call_delays_no_other(connect: Callable[..., Caller]) -> None:
    release = threading.Event()

    def answer(command: Any) -> Any:
        if command == ("long",):
            assert release.wait(TIMEOUT)
        return command

    caller = connect(answer)
    caller.send(0, "long")
    for number in range(1, 20):
        caller.send(number, "short")
        assert caller.receive() == (number, ("short",))
    release.set()
    assert caller.receive() == (0, ("long",))
    caller.send(20, "short")
    assert caller.receive() == (20, ("short",))


def test_calls_that_arrive_together_run_at_the_same_time(connect: Callable[..., Caller]) -> None:
    """A part of them is in the buffer of the reader already."""
    barrier = threading.Barrier(4)

    def answer(command: Any) -> Any:
        barrier.wait(TIMEOUT)
        return command

    caller = connect(answer)
    for _ in range(10):
        for number in range(4):
            caller.send(number, number)
        assert sorted(caller.receive() for _ in range(4)) == [(n, (n,)) for n in range(4)]


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_at_most_so_many_calls_run_at_a_time(connect: Callable[..., Caller], threads: int) -> None:
    guard, running, most = threading.Lock(), [0], [0]

    def answer(command: Any) -> Any:
        with guard:
            running[0] += 1
            most[0] = max(most[0], running[0])
        threading.Event().wait(0.005)
        with guard:
            running[0] -= 1
        return command

    caller = connect(answer, threads)
    for number in range(30):
        caller.send(number, number)
    assert sorted(caller.receive()[0] for _ in range(30)) == list(range(30))
    assert most[0] <= threads


def test_an_error_is_answered(connect: Callable[..., Caller]) -> None:
    def answer(command: Any) -> Any:
        raise ValueError("refused")

    caller = connect(answer)
    for number in range(2):
        caller.send(number, "call")
        assert caller.receive() == (number, ("failed", "refused"))


def test_running_calls_end_before_the_process(connect: Callable[..., Caller]) -> None:
    """The caller has gone meanwhile; Python waits for the threads at the end of the process."""
    before = set(threading.enumerate())
    release, ended = threading.Event(), []
    started = threading.Barrier(3)

    def answer(command: Any) -> Any:
        started.wait(TIMEOUT)
        assert release.wait(TIMEOUT)
        ended.append(command)
        return command

    caller = connect(answer)
    caller.send(0, "first")
    caller.send(1, "second")
    started.wait(TIMEOUT)
    caller.near.close()
    caller.ended.result(TIMEOUT)
    assert ended == []
    (calls,) = (t for t in set(threading.enumerate()) - before if t.name == "privsep_calls")
    assert not calls.daemon
    release.set()
    calls.join(TIMEOUT)
    caller.daemon.channel._pool.shutdown()
    assert sorted(ended) == [("first",), ("second",)]


def test_the_end_of_the_connection_ends_the_loop(connect: Callable[..., Caller]) -> None:
    caller = connect(lambda command: command)
    caller.near.shutdown(socket.SHUT_WR)
    caller.ended.result(TIMEOUT)


@pytest.mark.parametrize("is_busy", [False, True])
def test_an_unreadable_message_ends_the_loop_with_the_error(
    connect: Callable[..., Caller], is_busy: bool
) -> None:
    started, release = threading.Event(), threading.Event()

    def answer(command: Any) -> Any:
        started.set()
        assert release.wait(TIMEOUT)
        return command

    caller = connect(answer)
    if is_busy:
        caller.send(0, "long")
        assert started.wait(TIMEOUT)
    caller.near.sendall(b"\x01")
    release.set()
    with pytest.raises(TypeError):
        caller.ended.result(TIMEOUT)


@pytest.mark.parametrize("missing", ["reader_iter", "_process_cmd"])
def test_an_unknown_daemon_keeps_its_own_loop(missing, caplog):
    """A later oslo.privsep may lack the private members that the loop uses."""
    near, far = socket.socketpair()
    with near, far:
        daemon = Daemon(far, lambda command: command)
        channel: Any = daemon.channel
        if missing == "reader_iter":
            del channel.reader_iter
        else:
            daemon = types.SimpleNamespace(channel=channel)
        call_loop.replace_channel(daemon, 4)
        assert daemon.channel is channel
    assert "take longer" in caplog.text
