# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A database of Open vSwitch that is reached by ``ssl:``, with certificates made here."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import ssl
import subprocess
import threading
import time

import pytest
from oslo_config import cfg
from ovs.stream import Stream

import os_vif
from os_vif import exception, objects
from os_vif.host.ovsdb.connection import Ovsdb
from os_vif.host.ovsdb.tls import Tls
from os_vif.testing.host_snapshots import snapshot
from tests.support.cases import ovs_vif
from tests.support.certificates import Authority
from tests.support.ovs.tls import OPTIONS, tls_switch
from tests.support.ovs.vifs import INSTANCE


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> Tls:
    """A client of somebody else."""
    return Authority(tmp_path_factory.mktemp("others"), "other").give("stranger")


@contextlib.contextmanager
def of_the_process(tls: Tls):
    """Another user of python-ovs, such as Neutron's agent, has set its own."""
    setters = (
        Stream.ssl_set_private_key_file,
        Stream.ssl_set_certificate_file,
        Stream.ssl_set_ca_cert_file,
    )
    for setter, path in zip(setters, dataclasses.astuple(tls)[:3], strict=True):
        setter(path)
    try:
        yield
    finally:
        for setter in setters:
            setter(None)


def plugs(number: int = 0) -> None:
    vif = ovs_vif(create_port=True, number=number)
    os_vif.plug(vif, INSTANCE)
    assert [d for d in os_vif.check(vif, INSTANCE) if not d.pending] == []
    os_vif.unplug(vif, INSTANCE)


def refused(match: str) -> None:
    """A plug fails for that, and nothing was touched."""
    before = snapshot()
    with pytest.raises(exception.PlugException, match=match) as info:
        os_vif.plug(ovs_vif(objects.VIFBridge), INSTANCE)
    assert "Undone" not in str(info.value)
    assert snapshot() == before


def test_a_switch_is_reached_by_tls(plugin, other):
    """With our own files, whatever else is set in this process, which stays as it is."""
    plugs()
    with of_the_process(other):
        plugs()
        assert Stream._SSL_private_key_file == other.private_key
    assert Stream._SSL_private_key_file is None


def test_what_the_process_has_set_is_used_if_nothing_else_is(plugin, client, other):
    """As with 5.3.0, which has no options for it."""
    plugin(**dict.fromkeys(OPTIONS))
    with of_the_process(client):
        plugs()
    with of_the_process(other):
        refused("certificate verify failed")
    refused(
        r"\[os_vif_ovs\]ssl_key_file, ssl_cert_file, ssl_ca_cert_file is unset; expected files"
    )


def test_a_server_of_another_authority_is_refused(plugin, other):
    """It is not told anything."""
    plugin(ssl_ca_cert_file=other.ca_certificate)
    refused("Connecting to Open vSwitch failed on .*certificate verify failed.*Nothing was done")


def test_a_client_of_another_authority_is_refused(plugin, other):
    """By the server, after the handshake is over for us."""
    plugin(ssl_key_file=other.private_key, ssl_cert_file=other.certificate)
    refused(
        r"Connecting to Open vSwitch failed on .*does the server accept the client's cert.*Nothing was d"
    )


def test_files_that_cannot_be_used_are_named(plugin, client, other, tmp_path):
    """By their option, if they cannot be read; else by their path."""
    for option in OPTIONS:
        good = getattr(cfg.CONF.os_vif_ovs, option)
        plugin(**{option: "/no/such.pem"})
        refused(
            rf"\[os_vif_ovs\]{option} is /no/such.pem: No such file or directory; expected a f"
        )
        plugin(**{option: None})
        refused(rf"\[os_vif_ovs\]{option} is unset; expected a file that can be read")
        nonsense = tmp_path / "nonsense.pem"
        nonsense.write_text("nonsense")
        plugin(**{option: str(nonsense)})
        refused(f"Connecting to Open vSwitch failed on .*{nonsense}.*Nothing was done")
        plugin(**{option: good})
    plugin(ssl_key_file=other.private_key)
    refused(f"{client.certificate} with {other.private_key}: .*MISMATCH")


def test_a_server_that_speaks_no_tls_is_told_in_time(client):
    """One that says nothing, and one that is of TCP."""
    with socket.socket() as silent, socket.socket() as plain:
        for one in (silent, plain):
            one.bind(("127.0.0.1", 0))
            one.listen()
        ports = [one.getsockname()[1] for one in (silent, plain)]
        with (
            Ovsdb(f"ssl:127.0.0.1:{ports[0]}", 0.3, client) as ovsdb,
            pytest.raises(exception.OvsdbUnreachable, match=r"no answer within 0\.3 seconds"),
        ):
            ovsdb.connect()

        def talk():
            peer, _ = plain.accept()
            with peer:
                peer.recv(10)
                peer.sendall(b'{"id": 0, "result": [], "error": null}')

        thread = threading.Thread(target=talk)
        thread.start()
        with (
            Ovsdb(f"ssl:127.0.0.1:{ports[1]}", 10, client) as ovsdb,
            pytest.raises(exception.OvsdbUnreachable, match=r"(?i)wrong.version"),
        ):
            ovsdb.connect()
        thread.join()


def test_old_versions_of_tls_are_not_spoken(client):
    """As with python-ovs 4.0; its 3.3 would."""
    assert client.context().minimum_version >= ssl.TLSVersion.TLSv1_2
    assert client.context().verify_mode == ssl.CERT_REQUIRED


#: The alternative names of a server's certificate; its address; and by which of the names that an
#: option says it is accepted: None is the address in the connection.
NAMED = {
    "address": (("IP:127.0.0.1",), "127.0.0.1", {None, "127.0.0.1"}),
    "another-address": (("IP:127.0.0.2",), "127.0.0.1", {"127.0.0.2"}),
    "names": (
        ("DNS:db.example.org", "DNS:*.other.example.org"), "127.0.0.1",
        {"db.example.org", "DB.Example.org", "a.other.example.org"},
    ),
    "name-of-the-address": (("DNS:127.0.0.1",), "127.0.0.1", set()),
    "subject-only": ((), "127.0.0.1", set()),
    "address-of-IPv6": (("IP:::1",), "[::1]", {None, "::1", "[0:0::1]"}),
}  # fmt: skip
ASKED = (
    None, "127.0.0.1", "127.0.0.2", "db.example.org", "DB.Example.org", "example.org",
    "a.other.example.org", "a.b.other.example.org", "subject-only", "::1", "[0:0::1]",
)  # fmt: skip


@pytest.mark.short_form(3)
@pytest.mark.parametrize("kind", NAMED)
def test_the_name_of_a_server_is_checked_if_that_is_asked_for(
    namespace, tmp_path, authority, client, ovs_options, daemon, kind
):
    """By its IP address, or the name that an option says; by default, and without, by nothing."""
    alternatives, address, accepted = NAMED[kind]
    files = dict(zip(OPTIONS, dataclasses.astuple(client)[:3], strict=True))
    server = authority.give(kind, *alternatives)
    with tls_switch(tmp_path, server, address) as connection:
        ovs_options(ovsdb_connection=connection, ovs_vsctl_timeout=20, **files)
        plugs()
        for name in ASKED:
            # A name that is set is checked, whatever the other option says.
            ovs_options(ssl_check_hostname=name is None, ssl_server_name=name)
            if name in accepted:
                plugs()
            else:
                refused("mismatch.*ssl_check_hostname is on; ssl_server_name is.*Nothing was done")
        ovs_options(ssl_check_hostname=False, ssl_server_name=None)
        plugs()


def test_the_files_of_the_process_do_not_turn_the_check_off(plugin, client):
    plugin(**dict.fromkeys(OPTIONS), ssl_check_hostname=True)
    with of_the_process(client):
        refused("mismatch")


@pytest.mark.parametrize("name", ["a b", ".example.org", "\u00e9.org", "x" * 300, "a,b", "[a]"])
def test_a_server_name_that_no_server_can_have_is_refused(plugin, name):
    plugin(ssl_server_name=name)
    refused(r"\[os_vif_ovs\]ssl_server_name is '.*; expected a DNS name or an IP address")


@pytest.mark.parametrize("form", [("-traditional",), ()])
def test_an_encrypted_key_is_refused_at_once(plugin, client, tmp_path, form):
    """And nobody is asked for its passphrase: the terminal is not touched."""
    encrypted = tmp_path / "encrypted.pem"
    subprocess.run(
        ["openssl", "pkey", "-in", client.private_key, "-aes256", "-passout", "pass:x",
         "-out", str(encrypted), *form],
        check=True, capture_output=True,
    )  # fmt: skip
    plugin(ssl_key_file=str(encrypted))
    begun = time.monotonic()
    refused(rf"\[os_vif_ovs\]ssl_key_file is {encrypted}: an encrypted key; expected a private k")
    plugin(**dict.fromkeys(OPTIONS))
    with of_the_process(dataclasses.replace(client, private_key=str(encrypted))):
        refused("the private key is encrypted; expected one without a passphrase")
    assert time.monotonic() - begun < 10
