# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The ``ovs`` plugin, with the methods of the public os-vif that derived plugins call."""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING, Any, Self, cast

from os_vif import device_names, objects, opts
from os_vif.plugins import ovs
from os_vif.steps.plan import Plan
from vif_plug_ovs import constants
from vif_plug_ovs._base_ovs import BaseOVS
from vif_plug_ovs._exception import MissingPortProfile, WrongPortProfile

if TYPE_CHECKING:
    from os_vif.plugins.ovs.ovs_plugin import OvsVIF

__all__ = ["OvsPlugin"]

warnings.warn(
    "vif_plug_ovs.ovs is deprecated: derive a plugin from os_vif.plugins.ovs.OvsPlugin, and "
    "override plan_plug() and plan_unplug()",
    DeprecationWarning,
    stacklevel=2,
)

#: Suffixes of the methods ``_plug_<kind>`` and ``_unplug_<kind>`` of the public os-vif.
_KINDS = ("bridge", "port_bridge", "vf", "vhostuser", "vif_generic")


class OvsPlugin(ovs.OvsPlugin):
    """Base class of plugins that were written for the ``ovs`` plugin of the public os-vif."""

    #: A list: derived plugins add options to the list, and register the options in other groups.
    CONFIG_OPTS: Any = list(opts.OVS)
    #: Length of the names of :meth:`gen_port_name`, in characters.
    NIC_NAME_LEN = device_names.MAX_LENGTH

    @classmethod
    def load(cls, plugin_name: str) -> Self:
        """Create the plugin.

        :raises TypeError: if a derived class overrides a method, such as ``_plug_bridge()``, that
            ``plug()`` of the public os-vif called and ``plug()`` of os-vif 2 does not call.
        """
        for action in ("plug", "unplug"):
            if getattr(cls, action) is not getattr(OvsPlugin, action):
                continue
            for name in (f"_{action}_{kind}" for kind in _KINDS):
                if getattr(cls, name) is not getattr(OvsPlugin, name):
                    raise TypeError(
                        f"{cls.__name__} overrides {name}(), which {action}() does not call "
                        f"any more: override plan_{action}() or {action}()"
                    )
        return super().load(plugin_name)

    @staticmethod
    def gen_port_name(prefix: str, vif_id: str, max_length: int = NIC_NAME_LEN) -> str:
        """Return the name of a port: a prefix and the first characters of the VIF's id."""
        return f"{prefix}{vif_id}"[:max_length]

    @staticmethod
    def get_veth_pair_names(vif: objects.VIFBase) -> tuple[str, str]:
        """Return the names of a veth pair: the device in the Linux bridge, and the OVS port."""
        prefixes = device_names.HYBRID_BRIDGE_HALF, device_names.HYBRID_PORT_HALF
        return (
            OvsPlugin.gen_port_name(prefixes[0], vif.id),
            OvsPlugin.gen_port_name(prefixes[1], vif.id),
        )

    @functools.cached_property
    def ovsdb(self) -> BaseOVS:
        """Client of the Open vSwitch that the options of the plugin name."""
        return BaseOVS(self.config)

    def supports_tc_qdisc(self, vif: objects.VIFBase) -> bool:
        """Return whether the port's device has a qdisc, as ports of the kernel datapath have."""
        return self._get_vif_datapath_type(vif) == constants.OVS_DATAPATH_SYSTEM

    def _get_mtu(self, vif: objects.VIFBase) -> int:
        """Return the MTU of a VIF in bytes: of the network, or of ``network_device_mtu``."""
        return self._mtu(vif)

    def _get_qos_type(self, vif: objects.VIFBase) -> str | None:
        """Return the QoS type of a new port, or None for a port without a qdisc."""
        return self._qos(self._get_vif_datapath_type(vif))

    @staticmethod
    def _get_vif_port_profile(vif: objects.VIFBase) -> objects.VIFPortProfileOpenVSwitch:
        """Return the port profile of a VIF.

        :raises MissingPortProfile: if the VIF has no port profile.
        :raises WrongPortProfile: if the port profile is not a ``VIFPortProfileOpenVSwitch``.
        """
        if "port_profile" not in vif:
            raise MissingPortProfile
        if not isinstance(vif.port_profile, objects.VIFPortProfileOpenVSwitch):
            raise WrongPortProfile(profile=type(vif.port_profile).__name__)
        return vif.port_profile

    @staticmethod
    def _get_vif_datapath_type(
        vif: objects.VIFBase, datapath: str = constants.OVS_DATAPATH_SYSTEM
    ) -> str:
        """Return the datapath type of a VIF's port profile, or *datapath* if unset."""
        profile = OvsPlugin._get_vif_port_profile(vif)
        return (profile.datapath_type if "datapath_type" in profile else None) or datapath

    def _isolate_vif(self, vif_name: str, bridge: str) -> bool:
        """Return whether a port must be created in the dead VLAN."""
        return self._isolated(bridge) and not self.ovsdb.port_exists(vif_name, bridge)

    def _create_vif_port(
        self,
        vif: objects.VIFBase,
        vif_name: str,
        instance_info: objects.InstanceInfo,
        *,
        bridge: str | None = None,
        interface_type: str | None = None,
        vhost_server_path: str | None = None,
        pf_pci: str | None = None,
        vf_num: str | None = None,
        set_ids: bool = True,
        datapath_type: str | None = None,
    ) -> None:
        """Create the port of a VIF, and a tap device if the port profile has ``create_tap``.

        :raises os_vif.exception.StepFailed: after a failure and rollback.
        """
        profile, mtu, dead = self._get_vif_port_profile(vif), self._mtu(vif), constants.DEAD_VLAN
        # A VIF without a network has no MTU.
        bridge = bridge or cast("objects.Network", vif.network).bridge
        port = self.ovsdb.port_steps(
            bridge,
            vif_name,
            ids=self._ids(vif, profile, instance_info, bridge) if set_ids else (),
            mtu=mtu,
            interface_type=interface_type,
            vhost_server_path=vhost_server_path,
            pf_pci=pf_pci,
            vf_num=vf_num,
            datapath_type=datapath_type,
            qos_type=self._get_qos_type(vif),
            vlans=(dead, "trunk", dead) if self._isolated(bridge) else (None, None, None),
        )
        create_tap = "create_tap" in profile and profile.create_tap
        has_device = isinstance(vif, objects.VIFOpenVSwitch) and not interface_type
        tap = self._device(vif, profile, vif_name) if create_tap and has_device else ()
        self._run(Plan(*tap, *port, switch=self._switch()))

    def _update_vif_port(self, vif: objects.VIFBase, vif_name: str) -> None:
        """Set the MTU of the port of a VIF."""
        self.ovsdb.update_ovs_vif_port(vif_name, self._mtu(vif))

    def _plug_kind(self, vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> None:
        """Plug a VIF with the plan of the ``ovs`` plugin; ``plug()`` may be overridden."""
        self._run(self.plan_plug(cast("OvsVIF", vif), instance_info))

    def _unplug_kind(self, vif: objects.VIFBase, *_: Any) -> None:
        """Unplug a VIF with the plan of the ``ovs`` plugin; ``unplug()`` may be overridden."""
        self._run(self.plan_unplug(cast("OvsVIF", vif), objects.InstanceInfo()).going_forward())

    _plug_bridge = _plug_port_bridge = _plug_vf = _plug_kind
    _plug_vhostuser = _plug_vif_generic = _plug_kind
    _unplug_bridge = _unplug_port_bridge = _unplug_vf = _unplug_kind
    _unplug_vhostuser = _unplug_vif_generic = _unplug_kind
