# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Parsing and validation of the environment and the network configuration."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from os_vif.cni import invocation, network_configuration
from os_vif.cni.cni_error import CniError
from os_vif.cni.invocation import Command
from tests.support.cni import VERSIONS

ENVIRONMENT = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "c1",
    "CNI_NETNS": "/run/netns/c1",
    "CNI_IFNAME": "eth0",
    "CNI_ARGS": "",
    "CNI_PATH": "/opt/cni/bin:/usr/lib/cni",
}


def _parse(command="ADD", configuration=None, **environment):
    plain = {"cniVersion": "1.1.0", "name": "net", "type": "os-vif-cni", **(configuration or {})}
    return invocation.parse(
        Command(command), ENVIRONMENT | environment, json.dumps(plain).encode()
    )


def _code(*arguments, **environment):
    with pytest.raises(CniError) as caught:
        _parse(*arguments, **environment)
    return caught.value.code, str(caught.value)


def test_the_values_of_an_invocation():
    call = _parse(CNI_ARGS="IgnoreUnknown=1;K8S_POD_NAME=web-0;K8S_POD_UID=u=1;")
    assert (call.container_id, call.netns, call.ifname) == ("c1", "/run/netns/c1", "eth0")
    assert call.plugin_folders == ("/opt/cni/bin", "/usr/lib/cni")
    assert call.pod_arguments == {
        "IgnoreUnknown": "1",
        "K8S_POD_NAME": "web-0",
        "K8S_POD_UID": "u=1",
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_every_supported_version_is_accepted(version):
    assert _parse(configuration={"cniVersion": version}).configuration.version == version


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0", "1.2.0", "2.0.0", "1.1", "", None, 1, "x"])
def test_another_version_is_incompatible(version):
    code, text = _code("ADD", {"cniVersion": version})
    assert code == 1
    assert "0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0" in text


@pytest.mark.parametrize(
    ("command", "since"), [("CHECK", "0.4.0"), ("GC", "1.1.0"), ("STATUS", "1.1.0")]
)
def test_a_command_newer_than_the_version_is_incompatible(command, since):
    for version in VERSIONS:
        configuration = {"cniVersion": version, "prevResult": {}}
        if network_configuration.is_at_least(version, since):
            assert _parse(command, configuration).command == command
        else:
            assert _code(command, configuration)[0] == 1


@pytest.mark.parametrize(
    ("command", "required"),
    [
        ("ADD", ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"]),
        ("DEL", ["CNI_CONTAINERID", "CNI_IFNAME"]),
        ("CHECK", ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"]),
        ("GC", ["CNI_PATH"]),
        ("STATUS", []),
    ],
)
def test_required_variables(command, required):
    for name in ENVIRONMENT:
        if name == "CNI_COMMAND":
            continue
        if name in required:
            code, text = _code(command, {"prevResult": {}}, **{name: ""})
            assert code == 4
            assert name in text
        else:
            _parse(command, {"prevResult": {}}, **{name: ""})


@pytest.mark.parametrize("value", ["a b", "-c1", ".c1", "c/1", "c1\n", "\u00e9", "c;1"])
def test_a_container_id_with_other_characters_is_invalid(value):
    assert _code(CNI_CONTAINERID=value)[0] == 4


@pytest.mark.parametrize(
    "value",
    [
        ".",
        "..",
        "a/b",
        "a:b",
        "a b",
        "a\tb",
        "n" * 16,
        "\u00e9" * 8,
        "a\n",
        "eth%d",
        "all",
        "default",
        "lo",
        "\x7fa",
    ],
)
def test_an_interface_that_no_pod_can_have_is_invalid(value):
    assert _code(CNI_IFNAME=value)[0] == 4
    assert _code("CHECK", {"prevResult": {}}, CNI_IFNAME=value)[0] == 4
    assert _parse("DEL", CNI_IFNAME=value).ifname == value


@pytest.mark.parametrize("value", ["eth0", "n" * 15, "\u00e9" * 7, "a.b", "@x"])
def test_an_interface_that_the_kernel_accepts_is_valid(value):
    assert _parse(CNI_IFNAME=value).ifname == value


@pytest.mark.parametrize("command", ["", "add", "UPDATE", "ADD "])
def test_an_unknown_command_is_an_invalid_environment(command):
    with pytest.raises(CniError) as caught:
        invocation.command_of(ENVIRONMENT | {"CNI_COMMAND": command})
    assert caught.value.code == 4


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'"text"', b"\xff", b"[" * 100_000])
def test_input_that_is_no_json_object_is_undecodable(raw):
    with pytest.raises(CniError) as caught:
        network_configuration.parse(raw)
    assert caught.value.code == 6


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", None),
        ("name", ""),
        ("name", "a b"),
        ("name", "-a"),
        ("name", 5),
        ("ipam", []),
        ("ipam", {"type": 5}),
        ("ipam", {"type": "../host-local"}),
        ("args", "x"),
        ("args", {"cni": []}),
        ("runtimeConfig", []),
        ("dns", []),
        ("dns", {"nameservers": "10.0.0.1"}),
        ("dns", {"domain": 1}),
        ("prevResult", []),
        ("prevResult", {"ips": {}}),
        ("prevResult", {"interfaces": [1]}),
        ("mtu", "1500"),
        ("mtu", 0),
        ("mtu", True),
        ("bridge", 5),
        ("bridge", "a/b"),
        ("plugin", []),
        ("isDefaultGateway", "yes"),
    ],
)
def test_a_field_with_a_wrong_value_is_named(field, value):
    code, text = _code("ADD", {field: value})
    assert code == 7
    assert field in text


@pytest.mark.parametrize("field", ["ipam", "args", "runtimeConfig", "dns", "prevResult", "mtu"])
def test_a_field_without_a_value_is_as_a_missing_field(field):
    call = _parse(configuration={field: None})
    assert call.configuration.ipam_type is None


def test_unknown_fields_are_ignored():
    _parse(configuration={"later": {"x": 1}, "args": {"labels": [1], "cni": {"more": 2}}})


def test_check_needs_the_previous_result():
    code, text = _code("CHECK")
    assert code == 7
    assert "prevResult" in text


@pytest.mark.parametrize("key", ["cni.dev/valid-attachments", "cni.dev/attachments"])
def test_the_valid_attachments_of_gc(key):
    listed = [{"containerID": "c1", "ifname": "eth0"}, {"containerID": "c2", "ifname": "net1"}]
    call = _parse("GC", {key: listed})
    assert call.configuration.valid_attachments() == {("c1", "eth0"), ("c2", "net1")}


def test_an_empty_list_of_valid_attachments_is_a_list():
    assert (
        _parse("GC", {"cni.dev/valid-attachments": []}).configuration.valid_attachments() == set()
    )
    assert (
        _parse("GC", {"cni.dev/valid-attachments": None}).configuration.valid_attachments()
        == set()
    )


@pytest.mark.parametrize("value", ["c1", {"containerID": "c1"}, [5], [{"containerID": "c1"}]])
def test_malformed_valid_attachments_collect_nothing(value):
    with pytest.raises(CniError) as caught:
        _parse("GC", {"cni.dev/valid-attachments": value}).configuration.valid_attachments()
    assert caught.value.code == 7


def test_gc_without_a_list_is_an_error():
    with pytest.raises(CniError) as caught:
        _parse("GC").configuration.valid_attachments()
    assert caught.value.code == 7


@given(st.binary(max_size=300))
def test_any_bytes_give_a_message_or_an_error_of_the_specification(data):
    try:
        environment, raw = invocation.split_message(data)
        invocation.parse(invocation.command_of(environment), environment, raw)
    except CniError as error:
        plain = json.loads(json.dumps(error.to_plain("1.1.0")))
    else:
        return
    assert 1 <= plain["code"] < 100


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
_FIELDS = ("name", "ipam", "args", "runtimeConfig", "dns", "prevResult", "mtu", "bridge", "vif")


@given(st.dictionaries(st.sampled_from(_FIELDS), _JSON), st.sampled_from(VERSIONS))
def test_any_configuration_is_valid_or_an_error_of_the_specification(fields, version):
    plain = {"name": "n", **fields, "cniVersion": version}
    try:
        network_configuration.parse(json.dumps(plain).encode())
    except CniError as error:
        code = error.code
    else:
        return
    assert code == 7
