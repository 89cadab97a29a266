# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Function of the public os-vif for a Linux bridge with an uplink: a plug by the plugin."""

from __future__ import annotations

import warnings
from typing import Any

from oslo_config import cfg

from os_vif import exception, objects, opts
from os_vif.plugins.linux_bridge import LinuxBridgePlugin

warnings.warn(
    "vif_plug_linux_bridge.linux_net is deprecated: let a plugin plan with the steps of "
    "os_vif.steps",
    DeprecationWarning,
    stacklevel=2,
)

_NAME = "linux_bridge"


def ensure_bridge(
    bridge: str,
    interface: str | None,
    net_attrs: Any = None,
    gateway: bool = True,
    filtering: bool = True,
    mtu: int | None = None,
) -> None:
    """Create a bridge with an uplink, and move the uplink's addresses and routes to the bridge.

    :param interface: name of the uplink, or None.
    :param net_attrs: ignored.
    :param gateway: permit the host to forward packets; false requires ``filtering=False``.
    :param filtering: create the forwarding rules of the group ``[os_vif_linux_bridge]``.
    :param mtu: MTU of the bridge and of the uplink, in bytes.
    :raises os_vif.exception.InvalidField: if ``filtering`` is true and ``gateway`` is false.
    :raises os_vif.exception.StepFailed: after a failure. The changes are rolled back, or the text
        lists the steps that could not be undone.
    """
    if filtering and not gateway:
        raise exception.InvalidField(
            field="gateway", found="false", expected="true, because filtering is true"
        )
    network = objects.Network(
        bridge=bridge, bridge_interface=interface, should_provide_bridge=True, mtu=mtu
    )
    vif = objects.VIFBridge(
        bridge_name=bridge, has_traffic_filtering=not filtering, network=network
    )
    LinuxBridgePlugin(_options()).plug(vif, objects.InstanceInfo())


def _options() -> Any:
    """Return a copy of the options of the plugin, without ``flat_interface``.

    The caller of :func:`ensure_bridge` names the uplink.
    """
    configured = LinuxBridgePlugin.load(_NAME).config
    private = cfg.ConfigOpts()
    private.register_opts(opts.LINUX_BRIDGE, group=_NAME)
    for option in opts.LINUX_BRIDGE:
        if option.dest != "flat_interface":
            private.set_override(option.dest, configured[option.dest], group=_NAME)
    return private[_NAME]
