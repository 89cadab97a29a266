# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The device of the host below the macvlan and VLAN devices of pods in a virtual machine."""

from __future__ import annotations

from oslo_config import cfg

from os_vif import opts, vif_fields
from os_vif.host.netlink import rtnetlink
from os_vif.steps.ip import device_routes

_LINK = "[os_vif]pod_link"
_ROUTE = "[os_vif]pod_link_route"


def require_link(mtu: int | None) -> str:
    """Return the name of the link device, by the option or by the route to an address.

    :param mtu: MTU of the device of the pod in bytes, or None.
    :raises os_vif.exception.InvalidField: if neither option is set, if no device is found, or if
        the MTU of the device is less than *mtu*.
    """
    opts.register_library(cfg.CONF)
    name, address = cfg.CONF.os_vif.pod_link, cfg.CONF.os_vif.pod_link_route
    field = _LINK if name else _ROUTE
    if not name and not address:
        expected = "the device below the devices of pods; or set [os_vif]pod_link_route"
        raise vif_fields.invalid(_LINK, "unset", expected)
    with rtnetlink.opened() as net:
        if not name:
            index = device_routes.output_to(net, str(address))
            link = None if index is None else net.link_at(index)
            if link is None:
                found = f"{address}, to which this host has no route"
                raise vif_fields.invalid(_ROUTE, found, "an address that this host can reach")
        else:
            link = net.resolve(str(name))
            if link is None:
                found = f"{name}, which does not exist"
                raise vif_fields.invalid(_LINK, found, "an existing device")
    if link.name == "lo":
        raise vif_fields.invalid(field, "the loopback device", "a device with a network")
    if mtu is not None and link.mtu < mtu:
        # The kernel would give the device a smaller MTU than the network has (LP 1863212).
        found = f"{mtu} bytes, more than the {link.mtu} bytes of {link.name}"
        raise vif_fields.invalid("vif.network.mtu", found, f"at most the MTU of {link.name}")
    return link.name
