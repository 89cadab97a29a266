# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The servers that ``ovsdb_connection`` names, and what is wrong with those that cannot be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from os_vif.host.ovsdb import remotes

RIGHT = {
    "unix:/run/openvswitch/db.sock": ["unix:/run/openvswitch/db.sock"],
    "unix:db.sock": ["unix:db.sock"],
    "unix:/run/a,b.sock": ["unix:/run/a,b.sock"],
    "unix:/run/a b.sock": ["unix:/run/a b.sock"],
    "unix:/run/tcp:1": ["unix:/run/tcp:1"],
    "tcp:192.0.2.1:6640": ["tcp:192.0.2.1:6640"],
    " tcp:192.0.2.1:6640 ": ["tcp:192.0.2.1:6640"],
    "tcp:192.0.2.1:6640\n": ["tcp:192.0.2.1:6640"],
    "tcp:192.0.2.1:1": ["tcp:192.0.2.1:1"],
    "tcp:192.0.2.1:65535": ["tcp:192.0.2.1:65535"],
    "tcp:192.0.2.1:06640": ["tcp:192.0.2.1:06640"],
    "ssl:[2001:db8::1]:6640": ["ssl:[2001:db8::1]:6640"],
    "ssl:2001:db8::1:6640": ["ssl:2001:db8::1:6640"],
    "tcp:[::1]:6640": ["tcp:[::1]:6640"],
    "tcp:[fe80::1%eth0]:6640": ["tcp:[fe80::1%eth0]:6640"],
    "tcp:[::ffff:192.0.2.1]:6640": ["tcp:[::ffff:192.0.2.1]:6640"],
    "tcp:192.0.2.1:1,tcp:192.0.2.2:2, ssl:[::1]:3 ,\tunix:/a": [
        "tcp:192.0.2.1:1", "tcp:192.0.2.2:2", "ssl:[::1]:3", "unix:/a",
    ],
}  # fmt: skip
WRONG = {
    "": "which begins with none of unix:, tcp: and ssl:",
    "  ": "which begins with none of unix:, tcp: and ssl:",
    "192.0.2.1:6640": "which begins with none of unix:, tcp: and ssl:",
    "/run/openvswitch/db.sock": "which begins with none of unix:, tcp: and ssl:",
    "ptcp:6640": "which begins with none of unix:, tcp: and ssl:",
    "punix:/run/db.sock": "which begins with none of unix:, tcp: and ssl:",
    "TCP:192.0.2.1:6640": "which begins with none of unix:, tcp: and ssl:",
    "tcp://192.0.2.1:6640": "whose HOST '//192.0.2.1' is no IP address",
    "unix:": "which has no PATH",
    "tcp:": "which has no HOST",
    "tcp:192.0.2.1": "which has no PORT",
    "tcp:[::1]": "which has no PORT",
    "tcp:::1": "which has no PORT",
    "ssl:2001:db8::1": "which has no PORT",
    "tcp:192.0.2.1:": "whose PORT '' is not from 1 to 65535",
    "tcp:192.0.2.1:0": "whose PORT '0' is not from 1 to 65535",
    "tcp:192.0.2.1:65536": "whose PORT '65536' is not from 1 to 65535",
    "tcp:192.0.2.1:-1": "whose PORT '-1' is not from 1 to 65535",
    "tcp:192.0.2.1:+1": "whose PORT '+1' is not from 1 to 65535",
    "tcp:192.0.2.1:6640x": "whose PORT '6640x' is not from 1 to 65535",
    "tcp:192.0.2.1:6640 x": "whose PORT '6640 x' is not from 1 to 65535",
    "tcp:192.0.2.1:\uff16": "whose PORT '\uff16' is not from 1 to 65535",
    "tcp:192.0.2.1:00000000070000": "whose PORT '00000000070000' is not from 1 to 65535",
    "tcp:192.0.2.1:99999999999": "whose PORT '99999999999' is not from 1 to 65535",
    f"tcp:192.0.2.1:{'9' * 5000}": "is not from 1 to 65535",
    "tcp:localhost:6640": "whose HOST 'localhost' is no IP address",
    "ssl:db.example.org:6640": "whose HOST 'db.example.org' is no IP address",
    "tcp:db.example.org": "whose HOST 'db.example.org' is no IP address",
    "tcp:6640": "whose HOST '6640' is no IP address",
    "tcp::6640": "whose HOST '' is no IP address",
    "tcp:[]:6640": "whose HOST '[]' is no IP address",
    "tcp:[::1:6640": "whose HOST '[::1' is no IP address",
    "tcp:::1]:6640": "whose HOST '::1]' is no IP address",
    "tcp:1.2.3:6640": "whose HOST '1.2.3' is no IP address",
    "tcp:1.2.3.256:6640": "whose HOST '1.2.3.256' is no IP address",
    "tcp:192.0.2.1:6640,": "whose PORT '6640,' is not from 1 to 65535",
    "tcp:192.0.2.1:6640 tcp:192.0.2.2:6640": "is no IP address",
    "tcp:192.0.2.1:6640;tcp:192.0.2.2:6640": "is no IP address",
    "tcp:192.0.2.1:6640,tcp:host:6640": "'tcp:host:6640', whose HOST 'host' is no IP address",
    "tcp:192.0.2.1,tcp:192.0.2.2:1": "'tcp:192.0.2.1', which has no PORT",
    "tcp:192.0.2.1:6640,udp:192.0.2.2:6640": "is no IP address",
}


@pytest.mark.parametrize("connection", RIGHT)
def test_what_names_servers(connection):
    """As python-ovs and ovs-vsctl take it, with space around it and between."""
    assert remotes.fault(connection) is None
    assert remotes.remotes(connection) == RIGHT[connection]


@pytest.mark.parametrize("connection", WRONG)
def test_what_cannot_be_a_server_is_told_with_the_reason(connection):
    assert WRONG[connection] in remotes.fault(connection)


@given(st.text(alphabet="tcpsluni:.,[]0123456789af% /\x00\n\u0660", max_size=40))
def test_any_text_has_a_reason_or_hosts_that_are_addresses(text):
    if remotes.fault(text) is None:
        for remote in remotes.remotes(text):
            assert remote.startswith("unix:") or remotes.host(remote)


def test_hosts_and_paths_are_taken_from_a_connection():
    assert remotes.host("ssl:[2001:db8::1]:6640") == "2001:db8::1"
    assert remotes.host("ssl:2001:db8::1:6640") == "2001:db8::1"
    assert remotes.host("tcp:192.0.2.1:6640") == "192.0.2.1"
    assert remotes.unix_paths("tcp:192.0.2.1:1, unix:/a,b , unix:c") == ["/a,b", "c"]
    assert remotes.is_secured("tcp:192.0.2.1:1,ssl:192.0.2.2:2")
    assert not remotes.is_secured("unix:/run/ssl:1")
