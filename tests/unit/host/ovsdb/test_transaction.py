# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A transaction knows the owner of each operation; steps share only the declared effects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from os_vif.host.ovsdb.transaction import Transaction

ROW = {"_uuid": ["uuid", "00000000-0000-4000-8000-000000000001"]}
#: Adds an operation or a condition; a condition is sent ahead of all operations.
KINDS = {
    "require": lambda part: part.require("Bridge", [], name="br"),
    "insert": lambda part: part.insert("Port", name="p"),
    "update": lambda part: part.update("Port", ROW, qos=["set", []]),
    "mutate": lambda part: part.mutate("Bridge", ROW["_uuid"], ["ports", "insert", ["set", []]]),
    "delete": lambda part: part.delete("Port", ROW),
}
ADDED = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(sorted(KINDS))), max_size=12)


class Server:
    """Records a transaction, and answers each operation."""

    def transact(self, *operations):
        self.sent = operations
        rows = [{"next_cfg": 7}]
        return [{"rows": rows, "uuid": ["uuid", o.get("uuid-name", "")]} for o in operations]


@given(ADDED)
def test_each_operation_has_the_owner_that_added_it(added):
    """Whichever views are open at the same time, and in whatever order they add."""
    transaction = Transaction()
    parts = {owner: transaction.owned_by(owner) for owner in "abc"}
    for owner, kind in added:
        KINDS[kind](parts[owner])
    first = [owner for owner, kind in added if kind == "require"]
    owners = [*first, *(owner for owner, kind in added if kind != "require")]
    assert [transaction.owner_of(index) for index in range(len(added))] == owners
    assert transaction.owner_of(len(added)) is None
    assert transaction.owner_of(None) is None
    assert bool(transaction) == any(kind != "require" for _, kind in added)


@given(ADDED)
def test_conditions_are_sent_first_and_new_rows_are_known_by_name(added):
    """The server evaluates the operations in their order."""
    transaction, server, names = Transaction(), Server(), []
    for owner, kind in added:
        found = KINDS[kind](transaction.owned_by(owner))
        if kind == "insert":
            assert found[0] == "named-uuid"
            names.append(found[1])
    result = transaction.commit(server)
    kinds = [operation["op"] for operation in server.sent]
    waits = kinds.count("wait")
    assert kinds[:waits] == ["wait"] * waits
    assert kinds[-2:] == ["mutate", "select"]
    assert result.next_cfg == 7
    assert result.uuids == dict(zip(names, names, strict=True))
    assert len(set(names)) == len(names)


def test_steps_of_a_transaction_share_the_declared_effects_and_nothing_else():
    """All views have the same effects; an attribute that is not declared cannot be left."""
    transaction = Transaction()
    one, other = transaction.owned_by("one"), transaction.owned_by("other")
    one.effects.bridges["br"] = ["named-uuid", "row0"]
    assert other.bridge(None, "br") == ["named-uuid", "row0"]
    assert one.effects is other.effects is transaction.effects
    assert not transaction
    other.effects.retries_open = True
    assert transaction
    for thing in (transaction, one, transaction.effects):
        with pytest.raises(AttributeError):
            thing.note = "for the next step"
