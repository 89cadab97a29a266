# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""``os-vif import``: documents from the stored data of other programs."""

from __future__ import annotations

import json

import pytest

from os_vif import exception, negotiation, objects, serialization
from os_vif.cmd import exit_codes, main
from os_vif.operations import imports
from tests.support.data.stored_samples import envelopes, kuryr_vif
from tests.support.forks import forked
from tests.support.negotiation.neutron_cases import all_cases

PORT, NETWORK, SUBNET = (f"5a1d3c2e-0b7f-4f6a-9d52-{number:012d}" for number in (1, 2, 3))
#: An entry of network_info, with the members that nova 34 stores.
ENTRY = {
    "id": PORT,
    "address": "fa:16:3e:00:00:01",
    "network": {
        "id": NETWORK,
        "bridge": "br-test",
        "label": "private",
        "subnets": [
            {
                "cidr": "192.0.2.0/24",
                "dns": [{"address": "192.0.2.2", "type": "dns", "version": 4, "meta": {}}],
                "gateway": {"address": "192.0.2.1", "type": "gateway", "version": 4, "meta": {}},
                "ips": [
                    {
                        "address": "192.0.2.9",
                        "type": "fixed",
                        "version": 4,
                        "meta": {},
                        "floating_ips": [{"address": "203.0.113.9", "type": "floating"}],
                    }
                ],
                "routes": [
                    {
                        "cidr": "198.51.100.0/24",
                        "gateway": {"address": "192.0.2.3"},
                        "interface": None,
                    }
                ],
                "version": 4,
                "meta": {"enable_dhcp": True, "dhcp_server": "192.0.2.2"},
            }
        ],
        "meta": {"injected": False, "tenant_id": "t", "mtu": 1442, "physical_network": None},
    },
    "type": "ovs",
    "details": {"port_filter": True, "connectivity": "l2"},
    "devname": "tap5a1d3c2e-0b",
    "ovs_interfaceid": PORT,
    "qbh_params": None,
    "qbg_params": None,
    "active": True,
    "vnic_type": "normal",
    "profile": {},
    "preserve_on_delete": True,
    "delegate_create": True,
    "meta": {},
}
DOMAIN = f"""<domain type='kvm'><name>a</name><devices>
<interface type='bridge'><mac address='fa:16:3e:00:00:01'/><source bridge='br-int'/>
 <target dev='tap1'/><virtualport type='openvswitch'><parameters interfaceid='{PORT}'/></virtualport>
</interface>
<interface type='bridge'><mac address='fa:16:3e:00:00:02'/><source bridge='br-int'/></interface>
<interface type='hostdev'><mac address='fa:16:3e:00:00:03'/>
 <source><address type='pci' domain='0x0000' bus='0x3b' slot='0x02' function='0x1'/></source>
 <virtualport type='802.1Qbh'><parameters interfaceid='{NETWORK}'/></virtualport>
</interface></devices></domain>"""


@pytest.fixture
def run(tmp_path):
    """Run os-vif with data on standard input; the result has exit code and streams."""

    def call(*arguments, data=""):
        return forked(lambda: main.main([*map(str, arguments)]), data.encode(), tmp_path)

    return call


def documents(result) -> list[dict]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_an_entry_of_nova_becomes_the_vif_that_nova_makes():
    objects.register_all()
    vif = imports.vif_of_nova(ENTRY)
    assert (vif.obj_name(), vif.plugin, vif.bridge_name) == ("VIFOpenVSwitch", "ovs", "br-test")
    assert (vif.id, vif.active, vif.preserve_on_delete) == (PORT, True, True)
    assert vif.network.mtu == 1442
    (subnet,) = vif.network.subnets.objects
    assert str(subnet.gateway) == "192.0.2.1"
    assert str(subnet.ips.objects[0].floating_ips[0]) == "203.0.113.9"
    assert str(subnet.routes.objects[0].gateway) == "192.0.2.3"


def test_a_faulty_entry_of_nova_is_one_error_and_the_others_go_on(run):
    faulty = ENTRY | {"type": "unbound"}
    row = {"instance_uuid": PORT, "network_info": json.dumps([faulty, ENTRY])}
    result = run("import", "nova", data=json.dumps(row))
    assert result.returncode == exit_codes.EXIT_PARTIAL
    assert [document["id"] for document in documents(result)] == [PORT]
    (line,) = result.stderr.decode().splitlines()
    assert "network_info[0].type: found" in line
    assert "type: found 'unbound'; expected a port that is bound to a host" in line


@pytest.mark.parametrize("changes", [{"network": None}, {"network": {"id": "x"}}, {"address": 1}])
def test_an_entry_without_a_usable_value_names_the_value(changes):
    objects.register_all()
    with pytest.raises(exception.SerializationError) as caught:
        imports.vif_of_nova(ENTRY | changes)
    assert caught.value.path.startswith(next(iter(changes)))


def test_ports_of_the_client_become_the_vifs_of_the_api():
    """The client writes ``binding_vif_type`` for ``binding:vif_type``."""
    objects.register_all()
    for case in all_cases()[:300]:
        port, network, subnets = case.arguments()
        shown = {name.replace("binding:", "binding_"): value for name, value in port.items()}
        by_id = {subnet["id"]: subnet for subnet in subnets}
        try:
            expected = negotiation.vif_of(port, network, subnets)
        except exception.SerializationError:
            continue
        whole = {"port": shown, "network": network, "subnets": subnets}
        found = imports.vif_of_client_port(whole, {}, {})
        assert serialization.dumps(found) == serialization.dumps(expected)
        alone = imports.vif_of_client_port(
            shown | {"network_id": network["id"]}, {network["id"]: network}, by_id
        )
        assert alone.id == expected.id


def test_interfaces_of_a_domain_become_vifs(run):
    result = run("import", "libvirt", data=DOMAIN)
    assert result.returncode == exit_codes.EXIT_PARTIAL
    assert [d["kind"] for d in documents(result)] == ["VIFOpenVSwitch", "VIFHostDevice"]
    assert (
        documents(result)[1][
            "devAddress" if "devAddress" in documents(result)[1] else "dev_address"
        ]
        == "0000:3b:02.1"
    )
    assert b"devices.interface[1]" in result.stderr
    assert b"interfaceid" in result.stderr


def test_the_mtu_of_an_interface_is_the_mtu_of_the_network():
    """The element mtu, for each class; a faulty size is the error of the interface."""
    objects.register_all()
    for size, expected in (("1442", 1442), ("big", None)):
        text = DOMAIN.replace("</interface>", f"<mtu size='{size}'/></interface>")
        found = list(imports.vifs_of_domain(text.encode()))
        for path, vif in (found[0], found[2]):
            if expected is None:
                assert isinstance(vif, exception.SerializationError), path
            else:
                assert vif.network.mtu == expected
        if expected:
            assert found[0][1].network.bridge == "br-int"


def test_a_domain_with_entities_is_refused(run):
    bomb = '<!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><domain>&b;</domain>'
    result = run("import", "libvirt", data=bomb)
    assert (result.returncode, result.stdout) == (exit_codes.EXIT_PARTIAL, b"")
    assert b"document type definition" in result.stderr


@pytest.mark.parametrize("name", ["pod with state of two", "KuryrPort of two"])
def test_objects_of_kuryr_become_documents(run, name):
    objects.register_all()
    stored = envelopes(kuryr_vif("VIFVlanNested", vlan_id=7), kuryr_vif("VIFMacvlanNested"))[name]
    result = run("import", "kuryr", data=json.dumps(stored))
    assert result.returncode == 0
    assert [d["kind"] for d in documents(result)] == ["VIFVlanNested", "VIFMacvlanNested"]


def test_rows_of_zun_become_documents(run):
    objects.register_all()
    stored = envelopes(kuryr_vif("VIFVlanNested", vlan_id=7), kuryr_vif("VIFMacvlanNested"))
    row = {"uuid": PORT, "cni_metadata": stored["cni_metadata as text"]}
    result = run("import", "zun", data=json.dumps(row))
    assert (result.returncode, len(documents(result))) == (0, 1)
