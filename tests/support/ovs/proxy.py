# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A proxy between os-vif and ovsdb-server, which cuts, delays or divides messages."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Self

#: The direction of a chunk of bytes.
ASK, ANSWER = "ask", "answer"
#: A part of the output: bytes are forwarded, a number is a pause in seconds, None cuts the
#: connection.
Part = bytes | float | None
Rule = Callable[[str, bytes], Iterable[Part]]


def pass_on(_way: str, data: bytes) -> Iterator[Part]:
    yield data


def drip(pause: float, size: int = 1) -> Rule:
    """Return a rule that forwards *size* bytes at a time, with a pause after each part."""

    def rule(_way: str, data: bytes) -> Iterator[Part]:
        for at in range(0, len(data), size):
            yield data[at : at + size]
            yield pause

    return rule


class Nth:
    """A rule for the nth chunk of a direction, or for the first chunk with a text.

    A client that waits for each answer sends a message with a single call: a chunk of ``ASK`` is a
    message.

    :param parts: returns the output for the chunk.
    :param ever: whether the rule applies to all later chunks, too.
    """

    def __init__(
        self,
        way: str,
        n: int | bytes,
        parts: Callable[[bytes], Iterable[Part]],
        *,
        ever: bool = False,
    ) -> None:
        self._way, self._n, self._parts, self._ever = way, n, parts, ever
        self._seen = 0
        #: True once the rule was applied.
        self.done = False

    def __call__(self, way: str, data: bytes) -> Iterable[Part]:
        if self.done:
            return self._parts(data) if self._ever else [data]
        if way != self._way:
            return [data]
        self._seen += 1
        text = isinstance(self._n, bytes)
        if (self._n not in data) if text else (self._n != self._seen):
            return [data]
        self.done = True
        return self._parts(data)


class Proxy:
    """A proxy that listens in a directory, and connects to the address of a unix socket.

    :param rule: returns the output for each chunk.
    """

    def __init__(
        self, directory: pathlib.Path, target: str, rule: Rule = pass_on, name: str = "proxy"
    ) -> None:
        self.rule = rule
        self._path = directory / f"{name}.sock"
        self._target = target.removeprefix("unix:")
        self._listening = socket.socket(socket.AF_UNIX)
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        self._path.unlink(missing_ok=True)
        self._listening.bind(str(self._path))
        self._listening.listen(64)
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._cut(*self._open)
        for thread in self._threads:
            thread.join(10)
        self._listening.close()
        self._path.unlink()

    @property
    def connection(self) -> str:
        return f"unix:{self._path}"

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments))
        self._threads[-1].start()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self._target)
            except OSError:
                client.close()
                continue
            self._open |= {client, server}
            self._start(self._pump, ASK, client, server)
            self._start(self._pump, ANSWER, server, client)

    def _pump(self, way: str, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                for part in self.rule(way, data):
                    match part:
                        case None:
                            self._cut(source, sink)
                            return
                        case bytes():
                            sink.sendall(part)
                        case seconds if not self._ended.is_set():
                            time.sleep(seconds)
        self._cut(source, sink)

    def _cut(self, *sockets: socket.socket) -> None:
        for one in sockets:
            with contextlib.suppress(OSError):
                # The shutdown wakes the reading thread; a close alone would not.
                one.shutdown(socket.SHUT_RDWR)


#: A text in a transaction with changes: the transaction increments next_cfg.
COMMIT = b'["next_cfg", "+=", 1]'


#: A text in the request after a transaction.
WAIT = b'"cur_cfg", "<"'
