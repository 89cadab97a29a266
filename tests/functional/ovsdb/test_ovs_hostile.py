# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What answers in place of ovsdb-server may be anything: one error, within the deadline."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import threading
import time

import pytest

from os_vif import exception
from os_vif.host.ovsdb import pool
from os_vif.host.ovsdb.connection import Ovsdb
from tests.support.ovs import old_releases

#: What stands in place of a part of an answer.
ODD = (None, True, 0, -1, 1.5, "", "x", [], [[]], {}, {"rows": None}, {"rows": [{}]}, ["set", 1],
       ["map", [[1]]], {"error": []}, {"error": {}, "details": 1}, [None], [[["uuid"]]])  # fmt: skip
RAW = {
    "deep arrays": b"[" * 100_000,
    "deep members": b'{"id":' * 5_000,
    "deep and whole": b'{"id":' + b"[" * 60_000 + b"]" * 60_000 + b"}",
    "array": b"[]",
    "number": b"1" * 5_000,
    "great number": b'{"id": ' + b"1" * 5_000 + b"}",
    "not UTF-8": b'{"id": "\xff"}',
    "NaN": b'{"id": NaN, "result": NaN}',
    "HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


@contextlib.contextmanager
def server(path, answers):
    """Answers the question number N with what ``answers(N, question)`` yields."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            while True:
                try:
                    sock, _ = listening.accept()
                except OSError:
                    return
                with sock, contextlib.suppress(OSError, ValueError):
                    decoder, text = json.JSONDecoder(), ""
                    while data := sock.recv(65536):
                        text += data.decode()
                        while text:
                            question, end = decoder.raw_decode(text)
                            text = text[end:]
                            for answer in answers(question):
                                sock.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"unix:{path}"
        # A stream that idles would keep the thread.
        pool.clear()
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def right(question: dict) -> dict:
    """What a server with one row in each table answers."""
    if question["method"] == "get_schema":
        return {"id": question["id"], "result": old_releases.least_schema(), "error": None}
    if question["method"] != "transact":
        return {"id": question["id"], "result": {"locked": True}, "error": None}
    row = {"_uuid": ["uuid", "01234567-89ab-cdef-0123-456789abcdef"], "name": "x", "model": "standalone", "connected": True,
           "leader": True, "next_cfg": 1, "external_ids": ["map", []]}  # fmt: skip
    results = [{"rows": [row]} for _ in question["params"][1:]]
    return {"id": question["id"], "result": results, "error": None}


def mutated(answer, chance: random.Random):
    """An answer of which one part is another."""
    holders = []

    def walk(value) -> None:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, member in items:
            holders.append((value, key))
            if isinstance(member, dict | list):
                walk(member)

    walk(answer)
    holder, key = chance.choice(holders)
    if chance.random() < 0.2:
        del holder[key]
    else:
        holder[key] = chance.choice(ODD)
    return answer


def ask(connection: str, timeout: float = 1.0) -> None:
    with Ovsdb(connection, timeout) as ovsdb:
        ovsdb.lock("os_vif_x")
        columns = ["_uuid", "name", "external_ids"]
        for row in ovsdb.select("Interface", [["name", "==", "x"]], columns):
            assert isinstance(row["name"], str)
            assert dict(row["external_ids"][1]) is not None


def _fuzz(tmp_path, count: int, seed: int) -> int:
    refused = 0
    for number in range(count):
        chance = random.Random(seed + number)  # noqa: S311 - no secret
        bad = chance.randrange(4)
        met = iter(range(100))

        def answers(question, chance=chance, bad=bad, met=met):
            answer = right(question)
            answer = mutated(answer, chance) if next(met) == bad else answer
            yield json.dumps(answer).encode()

        with server(tmp_path / f"s{number}", answers) as connection:
            try:
                ask(connection, 0.3)
            except exception.OvsdbError:
                refused += 1
    return refused


def test_odd_answers_are_one_error(tmp_path):
    assert _fuzz(tmp_path, 60, 0) > 20


@pytest.mark.soak
def test_odd_answers_are_one_error_for_long(tmp_path):
    assert _fuzz(tmp_path, 3000, 1000) > 1000


@pytest.mark.parametrize("kind", RAW)
def test_what_is_no_message_is_an_error(tmp_path, kind):
    def answers(_question):
        yield RAW[kind]

    with server(tmp_path / "s", answers) as connection, pytest.raises(exception.OvsdbError):
        ask(connection)


def test_messages_without_an_end_are_an_error_in_time(tmp_path, monkeypatch):
    """One that is too long, and too many of which none is the answer."""
    monkeypatch.setattr("os_vif.host.ovsdb.replies.MAX_MESSAGE", 1 << 20)

    def endless(_question):
        yield b'{"id": "'
        while True:
            yield b"x" * 65536

    def chatter(_question):
        while True:
            yield b'{"method": "update", "params": [], "id": null}' * 100

    for number, answers in enumerate((endless, chatter)):
        begun = time.monotonic()
        with (
            server(tmp_path / f"s{number}", answers) as connection,
            pytest.raises(exception.OvsdbError, match="no OVSDB"),
        ):
            ask(connection, 20)
        assert time.monotonic() - begun < 15


def test_a_server_that_is_no_ovsdb_does_not_spoil_its_cluster(tmp_path):
    """The others of the cluster elect a leader meanwhile."""
    asked = iter(range(100))

    def odd(_question):
        yield b"HTTP/1.1 400 Bad Request\r\n\r\n"

    def electing(question):
        answer = right(question)
        if question["params"][0] == "_Server":
            row = answer["result"][0]["rows"][0]
            row |= {"model": "clustered", "leader": next(asked) >= 3}
        yield json.dumps(answer).encode()

    with server(tmp_path / "one", odd) as one, server(tmp_path / "two", electing) as two:
        ask(f"{one},{two}", 20)
    assert next(asked) >= 4
