# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""VIFs from ports as ``openstack port show -f json`` prints ports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from os_vif import negotiation, objects
from os_vif.negotiation.neutron_objects import ApiObject

_BINDING = ("vif_type", "vif_details", "vnic_type", "profile", "host_id")


def vif_of_client_port(
    data: Any, networks: Mapping[str, Any], subnets: Mapping[str, Any]
) -> objects.VIFBase:
    """Return the VIF of a port.

    :param data: the output of ``openstack port show -f json``, a port of neutron's API, or an object
        with the members port, network and subnets.
    :param networks: networks by id, as ``openstack network show -f json`` prints networks.
    :param subnets: subnets by id, as ``openstack subnet show -f json`` prints subnets.
    :raises os_vif.exception.InvalidBinding: for an unusable value; the path names the value.
    """
    whole = ApiObject.of(data, "")
    if whole.is_set("port") and whole.is_set("network"):
        port = _api_port(whole.object("port"))
        return negotiation.vif_of(port, data["network"], whole.array("subnets"))
    port = _api_port(ApiObject.of(data.get("port", data), "port"))
    read = ApiObject(port, "port")
    network = networks.get(read.uuid("network_id"))
    if network is None:
        raise read.error("network_id", "the id of a network in a file of --network")
    used = {fixed_ip.uuid("subnet_id"): None for fixed_ip in read.objects("fixed_ips")}
    for number, identity in enumerate(used):
        if identity not in subnets:
            fixed_ip = read.objects("fixed_ips")[number]
            raise fixed_ip.error("subnet_id", "the id of a subnet in a file of --subnet")
    return negotiation.vif_of(port, network, [subnets[identity] for identity in used])


def _api_port(port: ApiObject) -> dict[str, Any]:
    """Return a port with the names of neutron's API; the client writes ``binding_vif_type``."""
    members = dict(port.members)
    for name in _BINDING:
        if f"binding_{name}" in members:
            members[f"binding:{name}"] = members.pop(f"binding_{name}")
    state = members.get("admin_state_up")
    if state in ("UP", "DOWN"):
        members["admin_state_up"] = state == "UP"
    return members
