# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Payloads of the corpus, and random changes of payloads."""

from __future__ import annotations

import copy
import json

from tests.support.data.document_samples import CORPUS

#: Values that replace a value.
VALUES = (
    *(None, True, False, 0, 1, -1, 2**63, 10**400, 1.5, 1.0, 1e308, -0.0),
    *("", "x", "1", "1.0", "1.1", "1.0.1", "2.0", "9.9", "os-vif/2.0", "os-vif/2.5", "ovs\n"),
    *("10.0.0.1", "10.0.0.0/24", "10.0.0.0/33", "::1", "fe80::/64", "::ffff:1.2.3.4", "10.1"),
    *("fa:16:3e:00:00:01", "FA-16-3E-00-00-01", "0000:03:00.1", "0000:03:00.1\n", "0000:AF:1F.7"),
    *("vepa", "server", "ethernet", "Network", "VIFBridge", "VIFBase", "SubnetList", "os_vif"),
    *("\ud800", "\x00", "é" * 40, "a" * 300),
    *([], {}, [None], [[]], ["10.0.0.1"], {"a": 1}, {"10.0.0.1": 0}, [{}], [1, 2], ["id"]),
)
#: Names that replace a name, or are added.
NAMES = (
    *("", "x", "a.b", "a\nb", "\ud800", "id", "objects", "fixed_ips", "mtu", "kind", "apiVersion"),
    *("versioned_object.name", "versioned_object.version", "versioned_object.changes"),
    *("versioned_object.data", "versioned_object.namespace", "vifs", "vif", "default", "metadata"),
)


def payloads():
    """Return the payloads of the corpus: OVO primitives, and envelopes of kuryr."""
    return [json.loads(line)["payload"] for line in CORPUS.read_text("utf-8").splitlines()]


def _places(data, found):
    """Append every container in the data with each name or index."""
    for key in data if isinstance(data, dict) else range(len(data)):
        found.append((data, key))
        if isinstance(data[key], (dict, list)):
            _places(data[key], found)
    return found


def mutated(data, order):
    """Return a copy of plain data with one to three changes, drawn from a random generator."""
    data = [copy.deepcopy(data)]
    for _ in range(order.choice((1, 1, 1, 2, 3))):
        places = _places(data, [])
        inner, key = order.choice(places)
        other, where = order.choice(places)
        change = order.randrange(6)
        if change == 0 and inner is not data:
            del inner[key]
        elif change == 1 and isinstance(inner, dict):
            inner[order.choice(NAMES)] = inner.pop(key)
        elif change == 2 and isinstance(inner[key], dict):
            inner[key][order.choice(NAMES)] = copy.deepcopy(order.choice(VALUES))
        elif change == 3 and isinstance(inner[key], list):
            inner[key].append(copy.deepcopy(other[where]))
        elif change == 4:
            inner[key] = copy.deepcopy(other[where])
        else:
            inner[key] = copy.deepcopy(order.choice(VALUES))
    return data[0]


def garbled(text, order):
    """Return the bytes of a text with a change: a cut, or a replaced part."""
    data = text.encode()
    start = order.randrange(len(data) + 1)
    end = min(len(data), start + order.choice((0, 1, 1, 2, 8)))
    change = order.randrange(5)
    if change == 0:
        return data[:start]
    if change == 1:
        return data[:start] + data[end:]
    if change == 2:
        return data[:start] + data[start:end] * 3 + data[end:]
    if change == 3:
        return data[:start] + order.randbytes(end - start) + data[end:]
    odd = (
        b'"',
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\\",
        b"\\u0000",
        b"\\ud800",
        b"\xff",
        b"\x00",
    )
    odd += (b"\xc3", b"NaN", b"-", b"1e999", b"9" * 5000, b"[" * 3000, b"\xef\xbb\xbf", b"\n")
    return data[:start] + order.choice(odd) + data[end:]
