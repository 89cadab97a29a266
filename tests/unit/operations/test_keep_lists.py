# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Keep lists of a garbage collection, from each source."""

from __future__ import annotations

import contextlib
import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from os_vif import exception, objects, serialization
from os_vif.operations import keep_lists
from os_vif.operations.plugged import Plugged, State

objects.register_all()

PORT = "e0000000-0000-4000-8000-000000000000"
VIF = objects.VIFBridge(
    id="1b2c3d4e-0000-4000-8000-000000000000",
    address="fa:16:3e:00:00:01",
    vif_name="tap1b2c3d4e-00",
    plugin="linux_bridge",
    port_profile=objects.VIFPortProfileOpenVSwitch(interface_id=PORT),
)
INSTANCE = objects.InstanceInfo(uuid="c0000000-0000-4000-8000-000000000000", name="guest")
ENTRY = Plugged(
    id=VIF.id,
    vif=VIF,
    instance=INSTANCE,
    plugin="linux_bridge",
    way="bridge",
    owner="nova",
    since=None,
    devices=("tap1b2c3d4e-00",),
    port=None,
    bridge="br1",
    state=State.RIGHT,
)
DOMIFLIST = """\
 Interface        Type     Source   Model    MAC
-----------------------------------------------------------------
 tap1b2c3d4e-00   bridge   br1      virtio   52:54:00:AA:BB:CC

 Interface   Type     Source   Model    MAC
-----------------------------------------------------
 -           bridge   br1      virtio   FA:16:3E:00:00:01

"""
DOMAIN = """\
<domain type='kvm'>
  <name>guest</name>
  <uuid>{uuid}</uuid>
  <devices>
    <interface type='bridge'>
      <mac address='{mac}'/>
      <virtualport type='openvswitch'><parameters interfaceid='{port}'/></virtualport>
      <target dev='{device}'/>
    </interface>
  </devices>
</domain>
"""
OTHER = {"uuid": "u", "mac": "02:00:00:00:00:01", "port": "p", "device": "tap2"}
KURYR_PORT = {
    "apiVersion": "openstack.org/v1",
    "kind": "KuryrPort",
    "spec": {"podUid": "d0000000-0000-4000-8000-000000000000", "podNodeName": "node1"},
    "status": {"vifs": {"eth0": {"default": True, "vif": VIF.obj_to_primitive()}}},
}


def kuryr_ports(*ports):
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": ports})


def dumped(vif=VIF):
    return str(serialization.dumps(vif))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"# ids of nova\n{VIF.id}\n", id="vif-id"),
        pytest.param(f"{VIF.id.upper()}  # upper case\r\n", id="upper-case"),
        pytest.param(f"\n{INSTANCE.uuid}\n\n", id="virsh-list-uuid"),
        pytest.param("guest", id="instance-name"),
        pytest.param(DOMIFLIST.partition("\n\n")[0], id="domiflist-device"),
        pytest.param(DOMIFLIST.partition("\n\n")[2], id="domiflist-of-a-domain-that-is-off"),
        pytest.param(DOMAIN.format(**OTHER | {"uuid": INSTANCE.uuid}), id="dumpxml-uuid"),
        pytest.param(DOMAIN.format(**OTHER | {"mac": VIF.address}), id="dumpxml-mac"),
        pytest.param(DOMAIN.format(**OTHER | {"port": VIF.id}), id="dumpxml-port"),
        pytest.param(
            "<?xml version='1.0'?>\n"
            + DOMAIN.format(**OTHER)
            + DOMAIN.format(**OTHER | {"device": VIF.vif_name}),
            id="dumpxml-of-two",
        ),
        pytest.param(dumped(), id="document"),
        pytest.param(f"{dumped()}\n{dumped(INSTANCE)}", id="lines"),
        pytest.param(json.dumps([VIF.obj_to_primitive()]), id="primitives"),
        pytest.param(json.dumps([VIF.id]), id="list-of-ids"),
        pytest.param(kuryr_ports(KURYR_PORT), id="kuryr-ports"),
        pytest.param(
            kuryr_ports(KURYR_PORT | {"spec": {"podUid": INSTANCE.uuid}, "status": {}}),
            id="kuryr-port-without-vifs",
        ),
        pytest.param(
            json.dumps(
                {"cni.dev/valid-attachments": [{"containerID": INSTANCE.uuid, "ifname": "eth0"}]}
            ),
            id="cni-attachments",
        ),
    ],
)
def test_a_vif_that_a_source_names_is_kept(text):
    assert keep_lists.parse(text).keeps(ENTRY)


@pytest.mark.parametrize(
    "text",
    [
        "f0000000-0000-4000-8000-000000000000",
        DOMIFLIST.replace("1b2c3d4e", "2b2c3d4e").replace("FA:16:3E", "FA:16:3F"),
        DOMAIN.format(**OTHER),
        kuryr_ports(),
        '{"cni.dev/valid-attachments": []}',
    ],
)
def test_a_vif_that_a_source_does_not_name_is_not_kept(text):
    assert not keep_lists.parse(text).keeps(ENTRY)


_ID = VIF.id


@pytest.mark.parametrize(
    "name",
    [
        _ID.replace("-", ""),
        f"urn:uuid:{_ID}",
        f"{{{_ID}}}",
        f"{{{_ID.upper()}}}",
        "FA-16-3E-00-00-01",
        "fa:16:3e:00:00:01",
        PORT,
    ],
)
def test_the_forms_of_a_uuid_or_mac_address_are_the_same_name(name):
    assert keep_lists.parse(f"{name}\n").keeps(ENTRY)
    assert keep_lists.KeepList.of([f" {name}\n"]).keeps(ENTRY)
    assert keep_lists.parse(json.dumps([name])).keeps(ENTRY)


def test_a_uuid_object_is_a_name():
    assert keep_lists.KeepList.of([uuid.UUID(_ID)]).keeps(ENTRY)


@pytest.mark.parametrize("names", [None, 1, _ID, b"x", [None], [VIF], [b"x"], [1], [""], ["\n"]])
def test_an_argument_of_another_type_is_an_error(names):
    with pytest.raises(exception.InvalidField, match=r"^keep is "):
        keep_lists.KeepList.of(names)


@pytest.mark.parametrize("word", ["None", "null", "nil", "undefined", "error:", "ERROR", "true"])
@pytest.mark.parametrize("form", ["{}", "{}\n", '["{}"]', '"{}"'])
def test_a_word_for_a_missing_value_is_an_error(word, form):
    with pytest.raises(exception.InvalidField, match=word):
        keep_lists.parse(form.format(word))
    with pytest.raises(exception.InvalidField, match=r"is line 2: "):
        keep_lists.parse(f"{_ID}\n{word}\n")


@pytest.mark.parametrize(
    "text",
    [
        "error: failed to connect to the hypervisor",
        f"{VIF.id} {INSTANCE.uuid}",
        "Interface  Type\ntap1 bridge",
        '{"kind": "List"}',
        "{",
        "[1]",
        '{"apiVersion": "v1", "kind": "Pod"}',
        '{"kind": "KuryrPort", "spec": {}}',
        kuryr_ports(KURYR_PORT | {"status": {"vifs": {"eth0": {}}}}),
        '{"cni.dev/valid-attachments": null}',
        '{"cni.dev/valid-attachments": [{"ifname": "eth0"}]}',
        "<html></html>",
        "<domain>",
        "<domain></domain>",
        "<!DOCTYPE d [<!ENTITY a 'b'>]><domain><uuid>&a;</uuid></domain>",
        dumped(objects.VIFBridge(plugin="ovs")),
    ],
)
def test_a_text_in_no_known_format_is_an_error(text):
    with pytest.raises(exception.InvalidField, match=r"^list\.txt is "):
        keep_lists.parse(text, "list.txt")


@given(st.text())
def test_any_text_is_a_list_or_an_error(text):
    with contextlib.suppress(exception.InvalidField):
        keep_lists.parse(text)


def test_an_empty_text_is_an_empty_list():
    assert not keep_lists.parse("\n# none\n")
