# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Changes of an answer of ovsdb-server on the way to os-vif, for :mod:`ovs_proxy`."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tests.support.ovs.proxy import ANSWER, Part

#: Values that replace a part of an answer.
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 2**63, -(2**70), 10**400, float("nan"), float("inf"), 1e308, "",
    "x", "\0", "\x1b[2J", "\ud800", "x" * 5000, [], [[]], [None], {}, {"rows": None},
    {"rows": [{}]}, {"rows": []}, {"count": -1}, {"uuid": ["uuid", "x"]}, {"uuid": []}, ["set", 1],
    ["set", [[]]], ["set", []], ["map", []], ["map", [[1]]], ["map", [[["uuid", "x"], []]]],
    ["uuid", "x"], ["uuid", {}], ["named-uuid", "row0"], {"error": []}, {"error": "timed out"},
    {"error": {}, "details": 1}, {"error": "x", "details": "\x1b[31m\n"}, [[["uuid"]]],
)  # fmt: skip
Spoil = Callable[[bytes, random.Random], Iterable[Part]]


def positions(value: Any) -> list[tuple[Any, Any]]:
    """Return each array or object in a value with each index or key."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, member in items:
        found.append((value, key))
        if isinstance(member, dict | list):
            found += positions(member)
    return found


def mutated(answer: Any, chance: random.Random) -> Any:
    """Replace or delete a random part of an answer."""
    holder, key = chance.choice(positions(answer))
    if chance.random() < 0.2:
        del holder[key]
    else:
        holder[key] = chance.choice(ODD)
    return answer


def _mutated(data: bytes, chance: random.Random) -> Iterator[Part]:
    yield json.dumps(mutated(json.loads(data), chance)).encode()


def _other_result(data: bytes, chance: random.Random) -> Iterator[Part]:
    answer = json.loads(data)
    yield json.dumps(answer | {"result": chance.choice(ODD)}).encode()


def _refusal(data: bytes, chance: random.Random) -> Iterator[Part]:
    answer = json.loads(data)
    yield json.dumps(answer | {"error": chance.choice(ODD[9:]), "result": None}).encode()


def _wrong_id(data: bytes, chance: random.Random) -> Iterator[Part]:
    answer = json.loads(data)
    number = answer.get("id")
    others = (None, "x", 1.0, -1, True, [], {}, 10**30, str(number))
    yield json.dumps(answer | {"id": chance.choice(others)}).encode()


def _closed(data: bytes, chance: random.Random) -> Iterator[Part]:
    yield data[: chance.randrange(len(data) + 1)]
    yield None


def _silent(data: bytes, chance: random.Random) -> Iterator[Part]:
    yield data[: chance.randrange(len(data))]


def _flipped(data: bytes, chance: random.Random) -> Iterator[Part]:
    """Change a bit. The result may be valid OVSDB with a wrong content."""
    at = chance.randrange(len(data))
    yield data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def _not_utf8(data: bytes, chance: random.Random) -> Iterator[Part]:
    odd = chance.choice((b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xc0\x80"))
    yield data.replace(b'"', b'"' + odd, 1 + chance.randrange(8))


def _deep(data: bytes, chance: random.Random) -> Iterator[Part]:
    depth = chance.choice((70, 200, 900, 5_000, 200_000))
    begin, end = chance.choice(((b"[", b"]"), (b'{"a":', b"}")))
    deep = begin * depth + b"1" + end * depth
    kind = chance.randrange(4)
    if kind == 0:
        yield deep
    elif kind == 1:
        yield b'{"method": "echo", "id": "echo", "params": [' + deep + b"]}"
        yield data
    else:
        answer = json.loads(data)
        holder, key = chance.choice(positions(answer))
        holder[key] = "DEEP"
        yield json.dumps(answer).encode().replace(b'"DEEP"', deep)


def _duplicates(data: bytes, chance: random.Random) -> Iterator[Part]:
    """Repeat a member of an object. The last value counts, as in ovsdb-server."""
    odd = json.dumps(chance.choice(ODD)).encode()
    key = chance.choice((b"result", b"id", b"error"))
    yield data[:-1] + b', "' + key + b'": ' + odd + b"}"


def _first_duplicates(data: bytes, chance: random.Random) -> Iterator[Part]:
    odd = json.dumps(chance.choice([o for o in ODD if o == o and o != float("inf")])).encode()  # noqa: PLR0124 - NaN
    yield b'{"result": ' + odd + b', "id": ' + odd + b', "error": ' + odd + b", " + data[1:]


def _notified(data: bytes, chance: random.Random) -> Iterator[Part]:
    """Send unrequested messages before the answer."""
    for _ in range(chance.randrange(1, 50)):
        yield json.dumps(chance.choice([
            {"method": "update", "params": ["x", {}], "id": None},
            {"method": "update3", "params": [None, "x", {"a": []}], "id": None},
            {"method": "echo", "params": ["x"], "id": "echo"},
            {"method": "locked", "params": ["os_vif_of_another"], "id": None},
            {"method": "stolen", "params": ["os_vif_of_another"], "id": None},
            {"method": "\x1b[2J", "params": [], "id": None},
            {"id": "x", "result": None, "error": "canceled"},
            {"id": -5, "result": {"locked": True}, "error": None},
        ])).encode()  # fmt: skip
    yield data


def _odd_notified(data: bytes, chance: random.Random) -> Iterator[Part]:
    method = chance.choice(("echo", "locked", "stolen", "update", "transact", None, 1))
    yield json.dumps({"method": method, "params": chance.choice(ODD), "id": None}).encode()
    yield data


def _twice(data: bytes, _chance: random.Random) -> Iterator[Part]:
    yield data
    yield data


def _foreign(_data: bytes, chance: random.Random) -> Iterator[Part]:
    yield chance.choice((
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", b"\x16\x03\x01\x02\x00\x01" * 40,
        b"\0" * 100, b"SSH-2.0-OpenSSH\r\n", b"[]", b"null", b'"x"', b"1" * 5000, b"}", b"]]",
        b"{]", b'{"id"}', b"{'id': 0}", b"\xff\xfe{\0}\0", b"\xef\xbb\xbf{}", b"{}",
    ))  # fmt: skip


def _endless(data: bytes, chance: random.Random) -> Iterator[Part]:
    """Send an endless message, or an endless number of messages without the answer."""
    begin, more = chance.choice((
        (b'{"id": "', b"x" * 65536),
        (b'{"id": 0, "result": [', b"{}," * 20_000),
        (b'{"id": 0, "result": [', b"1," * 30_000),
        (b"", b" " * 65536),
        (b"", b"\n" * 65536),
        (b"", b'{"method": "update", "params": [], "id": null}' * 1000),
        (b"", b'{"method": "echo", "params": [], "id": "echo"}' * 1000),
        (b"", b'{"id": "x", "result": [], "error": null}' * 1000),
        (b"", (b'{"method": "stolen", "params": ["x"], "id": null}'
               b'{"method": "locked", "params": ["x"], "id": null}') * 500),
        (data[:-1], b" " * 65536),
    ))  # fmt: skip
    yield begin
    while True:
        yield more


SPOILS: dict[str, Spoil] = {
    "mutated": _mutated,
    "other result": _other_result,
    "refusal": _refusal,
    "wrong id": _wrong_id,
    "closed": _closed,
    "silent": _silent,
    "flipped": _flipped,
    "not UTF-8": _not_utf8,
    "deep": _deep,
    "duplicates": _duplicates,
    "first duplicates": _first_duplicates,
    "notified": _notified,
    "oddly notified": _odd_notified,
    "twice": _twice,
    "foreign": _foreign,
    "endless": _endless,
}
#: Changes after which the correct answer follows, so that a plug or an unplug succeeds.
HARMLESS = ("notified", "first duplicates", "twice")


class Hostile:
    """A rule of a proxy that changes message *n* of the server, or all messages from *n* on.

    :param ever: whether all later messages are changed, too.
    """

    def __init__(self, kind: str, n: int, seed: int, *, ever: bool = False) -> None:
        self.kind = kind
        self._spoil, self._n, self._ever = SPOILS[kind], n, ever
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._seen = 0
        #: Number of changed messages.
        self.spoiled = 0
        #: True if a changed message says, as valid OVSDB, that the transaction did nothing.
        self.lied = False

    def __call__(self, way: str, data: bytes) -> Iterator[Part]:
        if way != ANSWER:
            yield data
            return
        for message in _messages(data):
            self._seen += 1
            if self._seen == self._n or (self._ever and self._seen > self._n):
                self.spoiled += 1
                for part in self._spoil(message, self._chance):
                    self.lied |= isinstance(part, bytes) and _is_refusal(part)
                    yield part
            else:
                yield message


def _is_refusal(data: bytes) -> bool:
    try:
        answer = json.loads(data)
        result = answer.get("result") or []
        errors = [answer.get("error"), *(r.get("error") for r in result if isinstance(r, dict))]
    except (ValueError, AttributeError, TypeError, RecursionError):
        return False
    return any(isinstance(e.get("error") if isinstance(e, dict) else e, str) for e in errors)


def _messages(data: bytes) -> Iterator[bytes]:
    """Split a chunk into messages. The server writes each message with a single call."""
    text, decoder = data.decode(), json.JSONDecoder()
    while text:
        _, end = decoder.raw_decode(text)
        yield text[:end].encode()
        text = text[end:].lstrip()
