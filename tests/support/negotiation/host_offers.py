# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Offers of hosts: of this library, and of public releases from the recorded HostInfo.

A file in ``tests/support/data/host_info`` is the OVO primitive that ``os_vif.host_info()`` of the
release returned, with the plugins of the release.
"""

from __future__ import annotations

from pathlib import Path

from os_vif import negotiation
from os_vif.negotiation.released_plugins import plugins_of_release
from os_vif.objects.versioning.releases import CURRENT_RELEASE

_FOLDER = Path(__file__).parents[1] / "data" / "host_info"
#: The public releases with a recorded HostInfo.
RECORDED = ("1.8.0", "1.12.0", "4.3.1", "5.3.0")
PLUGINS = ("linux_bridge", "noop", "ovs", "sriov")


def host_info_text(release: str) -> str:
    """Return the HostInfo of a public release as JSON."""
    return (_FOLDER / f"{release}.json").read_text("utf-8")


def public_offer(release: str, *, stated: bool = True) -> negotiation.Offer:
    """Return the offer of a host with a public release.

    :param stated: False if the release of the host is unknown.
    """
    return negotiation.of_host_info(
        host_info_text(release), release if stated else None, f"host-{release}"
    )


def our_offer(**facts) -> negotiation.Offer:
    """Return the offer of a host with this library, and with the given facts."""
    plugins = plugins_of_release(CURRENT_RELEASE, PLUGINS)
    fields = {"host": "host-a", "release": CURRENT_RELEASE, "plugins": plugins} | facts
    return negotiation.Offer(**fields)


def full_offer() -> negotiation.Offer:
    """Return the offer of a host with this library, and with every fact."""
    return our_offer(
        host="compute-0123456789.example.com",
        offloads=["representor", "vdpa"],
        datapath_types=["netdev", "system"],
        interface_types=["dpdkvhostuser", "dpdkvhostuserclient"],
        physical_networks=[f"physnet{number}" for number in range(8)],
        hybrid_plug=False,
        guest=negotiation.Guest(memory="shared", models=["e1000", "rtl8139", "virtio"]),
    )
