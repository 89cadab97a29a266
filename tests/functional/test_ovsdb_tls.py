# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A database of Open vSwitch that is reached by ``ssl:``, with certificates made here."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest
from oslo_config import cfg
from ovs.stream import Stream

import os_vif
from os_vif import exception, objects
from os_vif.host.ovs_stream import Tls
from os_vif.host.ovsdb import Ovsdb
from tests.functional import ovs
from tests.functional.cases import ovs_vif
from tests.functional.certificates import Authority
from tests.functional.namespaces import snapshot
from tests.functional.test_ovs_plugin import INSTANCE

OPTIONS = ("ssl_key_file", "ssl_cert_file", "ssl_ca_cert_file")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"), "authority")


@pytest.fixture(scope="module")
def client(authority) -> Tls:
    return authority.give("client")


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> Tls:
    """A client of somebody else."""
    return Authority(tmp_path_factory.mktemp("others"), "other").give("stranger")


@pytest.fixture
def secured(namespace, tmp_path, authority) -> Iterator[str]:
    """How a switch is reached, by TLS."""
    if missing := ovs.missing():
        pytest.skip(missing)
    files, port = authority.give("server"), free_port()
    options = (
        f"--private-key={files.private_key}",
        f"--certificate={files.certificate}",
        f"--ca-cert={files.ca_certificate}",
        f"--remote=pssl:{port}:127.0.0.1",
    )
    with ovs.Switch(tmp_path, server=options) as switch:
        switch.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev")
        yield f"ssl:127.0.0.1:{port}"


@contextlib.contextmanager
def of_the_process(tls: Tls):
    """Another user of python-ovs, such as Neutron's agent, has set its own."""
    setters = (
        Stream.ssl_set_private_key_file,
        Stream.ssl_set_certificate_file,
        Stream.ssl_set_ca_cert_file,
    )
    for setter, path in zip(setters, dataclasses.astuple(tls), strict=True):
        setter(path)
    try:
        yield
    finally:
        for setter in setters:
            setter(None)


@pytest.fixture
def plugin(secured, client, ovs_options, daemon):
    """The options of a host whose database is reached by TLS."""
    files = dict(zip(OPTIONS, dataclasses.astuple(client), strict=True))
    ovs_options(ovsdb_connection=secured, ovs_vsctl_timeout=20, **files)
    return ovs_options


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
        r"Connecting to Open vSwitch failed on .*does it accept the client's cert.*Nothing was d"
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
