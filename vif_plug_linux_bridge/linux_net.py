# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The old function on a Linux bridge and its uplink. It does what the plugin does."""

from __future__ import annotations

import warnings
from typing import Any

from oslo_config import cfg

from os_vif import exception, objects, opts
from os_vif.plugins.linux_bridge import LinuxBridgePlugin

warnings.warn(
    "vif_plug_linux_bridge.linux_net is deprecated: let a plugin plan with the steps of "
    "os_vif.host.steps",
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
    """A bridge is there and up, with a device in it, whose addresses and routes it takes over.

    :param filtering: whether rules let packets through it, as ``[os_vif_linux_bridge]`` says.
    :param mtu: bytes; of both.
    :param net_attrs: has no meaning.
    :raises os_vif.exception.StepFailed: if it cannot be done; then it was undone, or the text
        says what was not.
    """
    if filtering and not gateway:
        raise exception.InvalidField(
            field="gateway", found="false", expected="true where filtering is"
        )
    network = objects.Network(
        bridge=bridge, bridge_interface=interface, should_provide_bridge=True, mtu=mtu
    )
    vif = objects.VIFBridge(
        bridge_name=bridge, has_traffic_filtering=not filtering, network=network
    )
    LinuxBridgePlugin(_options()).plug(vif, objects.InstanceInfo())


def _options() -> Any:
    """Those of the plugin, but that the caller says what the uplink is."""
    given = LinuxBridgePlugin.load(_NAME).config
    apart = cfg.ConfigOpts()
    apart.register_opts(opts.LINUX_BRIDGE, group=_NAME)
    for option in opts.LINUX_BRIDGE:
        if option.dest != "flat_interface":
            apart.set_override(option.dest, given[option.dest], group=_NAME)
    return apart[_NAME]
