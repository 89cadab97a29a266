# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Any message gives values or a SerializationError."""

from __future__ import annotations

import copy
import json
import random
import warnings

import pytest

from os_vif import exception
from os_vif.serialization import messaging
from tests.support.data.mutations import mutated
from tests.support.strategies import ALL, make

FORMS = ("ovo", "json", "protobuf")


def messages():
    """Return a message for every class in every format, as plain data."""
    serializers = [messaging.Serializer(form=form) for form in FORMS]
    return [
        {"vifs": [serializer.serialize_entity({}, make(name))], "n": 1}
        for serializer in serializers
        for name in ALL
    ]


def read_mutations(rounds, seed):
    """Read mutated messages, and return the number of each outcome."""
    order = random.Random(seed)  # noqa: S311
    serializer = messaging.Serializer()
    outcomes = {"read": 0, "refused": 0}
    originals = messages()
    for _ in range(rounds):
        data = mutated(order.choice(originals), order)
        before = copy.deepcopy(data)
        with warnings.catch_warnings(action="ignore"):
            try:
                serializer.deserialize_entity({}, data)
            except exception.SerializationError:
                outcomes["refused"] += 1
            else:
                outcomes["read"] += 1
        assert data == before, json.dumps(before)
    return outcomes


def test_mutated_messages_raise_one_family():
    pytest.importorskip("google.protobuf", reason="needs os-vif[protobuf]")
    assert min(read_mutations(1500, seed=1).values()) > 200


@pytest.mark.soak
def test_ten_thousand_mutated_messages_raise_one_family():
    pytest.importorskip("google.protobuf", reason="needs os-vif[protobuf]")
    assert min(read_mutations(10_000, seed=2).values()) > 1000
