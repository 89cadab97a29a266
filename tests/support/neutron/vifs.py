# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""VIFs of ports of neutron, and their instances."""

from __future__ import annotations

from typing import Any

from os_vif import objects


def instance_of(port: dict[str, Any]) -> objects.InstanceInfo:
    """Return the instance of a port."""
    return objects.InstanceInfo(uuid=port["device_id"], name="guest")


def vif_of(
    port: dict[str, Any], network: dict[str, Any], subnet: dict[str, Any]
) -> objects.VIFBase:
    """Return the VIF of a port with the VIF type ``ovs``."""
    details = port["binding:vif_details"]
    assert port["binding:vif_type"] == "ovs", port
    own_id, bridge = port["id"], details["bridge_name"]
    profile = objects.VIFPortProfileOpenVSwitch(
        interface_id=own_id,
        datapath_type=details["datapath_type"],
        create_port=not details.get("ovs_hybrid_plug"),
    )
    if details.get("ovs_create_tap"):
        profile.create_tap = True
    addresses = [objects.FixedIP(address=each["ip_address"]) for each in port["fixed_ips"]]
    common = {
        "id": own_id,
        "address": port["mac_address"],
        "vif_name": f"tap{own_id}"[:14],
        "plugin": "ovs",
        "has_traffic_filtering": details["port_filter"],
        "preserve_on_delete": True,
        "active": False,
        "port_profile": profile,
        "network": objects.Network(
            id=network["id"],
            bridge=bridge,
            label=network["name"],
            mtu=network["mtu"],
            subnets=objects.SubnetList(
                objects=[
                    objects.Subnet(
                        cidr=subnet["cidr"],
                        gateway=subnet["gateway_ip"],
                        dns=subnet["dns_nameservers"],
                        ips=objects.FixedIPList(objects=addresses),
                    )
                ]
            ),
        ),
    }
    if details.get("ovs_hybrid_plug"):
        return objects.VIFBridge(bridge_name=f"qbr{own_id}"[:14], **common)
    return objects.VIFOpenVSwitch(bridge_name=bridge, **common)
