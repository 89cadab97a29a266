# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Pods with stored VIFs, some of them faulty, for the commands about many stored objects."""

from __future__ import annotations

from tests.support.data.stored_samples import envelopes, kuryr_vif

VLAN, MACVLAN = kuryr_vif("VIFVlanNested", vlan_id=7), kuryr_vif("VIFMacvlanNested")
#: The address space of the command in the test of memory, in bytes.
ADDRESS_SPACE = 180 * 2**20


def stored(number: int, *, start: int = 0) -> list[dict]:
    """Return pods of two namespaces; every fourth pod has a fault, every fifth no VIF."""
    pod = envelopes(VLAN, MACVLAN)["pod with state of two"]
    annotation = pod["metadata"]["annotations"]["openstack.org/kuryr-vif"]
    pods = []
    for n in range(start, start + number):
        annotations = {"openstack.org/kuryr-vif": annotation}
        if n % 4 == 3:
            annotations["openstack.org/kuryr-vif"] = annotation.replace(
                '"vlan_id": 7', '"vlan_id": "x"'
            )
        if n % 5 == 4:
            annotations = {}
        metadata = {"name": f"web-{n}", "namespace": "ab"[n % 2], "annotations": annotations}
        pods.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
    return pods
