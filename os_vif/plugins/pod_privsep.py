# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The privileged daemon for pods, which enters the network namespaces of pods.

``os_vif.plugins.pod_privsep.vif_plug`` stands in sudoers and rootwrap filters. The daemon starts
with the first plug of a pod. All other daemons keep CAP_NET_ADMIN alone.
"""

from __future__ import annotations

from oslo_privsep import capabilities

from os_vif.privsep import Context
from os_vif.steps.pod.bridge_gateway import (
    EnableForwarding,
    EnsureBridgeGateway,
    RemoveBridgeGateway,
    RestoreForwarding,
)
from os_vif.steps.pod.in_pod import InPod
from os_vif.steps.pod.pod_device import LendLink, PrepareLending, ReturnLink
from os_vif.steps.pod.pod_upper_links import DeletePodLink, EnsurePodMacvlan, EnsurePodVlan
from os_vif.steps.pod.pod_veth import EnsurePodVeth


def _of_iptables() -> tuple[int, ...]:
    """Return the capabilities that ``iptables`` needs. Only the daemon imports the module."""
    from os_vif.host import iptables

    return iptables.needed_capabilities()


vif_plug = Context(
    "os_vif",
    cfg_section="os_vif_pod_privileged",
    pypath=f"{__name__}.vif_plug",
    capabilities=[capabilities.CAP_NET_ADMIN, capabilities.CAP_SYS_ADMIN],
    program_capabilities=_of_iptables,
    steps=(
        DeletePodLink,
        EnableForwarding,
        EnsureBridgeGateway,
        EnsurePodMacvlan,
        EnsurePodVeth,
        EnsurePodVlan,
        InPod,
        LendLink,
        PrepareLending,
        RemoveBridgeGateway,
        RestoreForwarding,
        ReturnLink,
    ),
)
run, undo, check = vif_plug.entry_points()
probe = vif_plug.probe_entry_point()
hold_namespaces = vif_plug.namespace_entry_point()
