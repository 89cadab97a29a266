# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Old calls of Open vSwitch: each is one plan, so one transaction that is undone if it fails."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from os_vif import exception
from os_vif.host import ovs_engine, validate
from os_vif.host.ovs_steps import (
    DeleteOvsBridge,
    DeleteOvsPort,
    OvsBridge,
    OvsPort,
    Pairs,
)
from os_vif.host.plan import Plan
from os_vif.host.steps import DeleteLink, SetLink
from os_vif.plugins.ovs import OvsPlugin, port_ids
from vif_plug_ovs import constants

if TYPE_CHECKING:
    from os_vif.host.ovsdb import Row
    from os_vif.host.plan import PlanStep, Switch

_USER_SPACE = (
    constants.OVS_VHOSTUSER_INTERFACE_TYPE,
    constants.OVS_VHOSTUSER_CLIENT_INTERFACE_TYPE,
)
#: ``vlan_mode`` of a Port: ovs-vswitchd.conf.db(5).
_VLAN_MODES = ("access", "dot1q-tunnel", "native-tagged", "native-untagged", "trunk")
_MAX_TAG = 4095


@dataclasses.dataclass(frozen=True)
class OvsPortInVlan(OvsPort):
    """A port whose VLANs are given; at creation, as all that says what passes."""

    tag: int | None = None
    vlan_mode: str | None = None
    trunks: int | None = None

    def validate(self) -> None:
        super().validate()
        validate.integer(self, "tag", 0, _MAX_TAG, optional=True)
        validate.integer(self, "trunks", 0, _MAX_TAG, optional=True)
        if self.vlan_mode is not None:
            validate.one_of(self, "vlan_mode", _VLAN_MODES, f"one of {', '.join(_VLAN_MODES)}")

    @property
    def _port(self) -> Row:
        row = {"tag": self.tag, "vlan_mode": self.vlan_mode, "trunks": self.trunks}
        return {column: value for column, value in row.items() if value is not None}


class BaseOVS:
    """The switch that options name.

    :param config: a group that has the options of ``[os_vif_ovs]``.
    :raises os_vif.exception.StepFailed: from what changes something; then it was undone, or the
        text says what was not.
    """

    def __init__(self, config: Any) -> None:
        self._plugin = OvsPlugin(config)

    @property
    def _switch(self) -> Switch:
        return self._plugin._switch()  # noqa: SLF001 - this is the plugin, as others knew it

    def _run(self, *steps: PlanStep) -> None:
        self._plugin._run(Plan(*steps, switch=self._switch))  # noqa: SLF001 - as above

    def ensure_ovs_bridge(self, bridge: str, datapath_type: str | None) -> None:
        """A bridge exists. One that is there keeps its datapath."""
        self._run(OvsBridge(bridge, datapath_type or ""))

    def delete_ovs_bridge(self, bridge: str) -> None:
        """A bridge that is one VIF's or one trunk's is gone, unless it is in use.

        :raises os_vif.exception.InvalidStep: for any other: an integration bridge is not deleted.
        """
        self._run(DeleteOvsBridge(bridge))

    def port_exists(self, port_name: str, bridge: str) -> bool:
        """Whether a port is in a bridge."""
        return ovs_engine.bridge_of(self._switch, port_name) == bridge

    def create_ovs_vif_port(
        self,
        bridge: str,
        dev: str,
        iface_id: str,
        mac: str,
        instance_id: str,
        mtu: int | None = None,
        interface_type: str | None = None,
        vhost_server_path: str | None = None,
        tag: int | None = None,
        pf_pci: str | None = None,
        vf_num: str | None = None,
        set_ids: bool = True,
        datapath_type: str | None = None,
        qos_type: str | None = None,
        vlan_mode: str | None = None,
        trunks: int | None = None,
    ) -> None:
        """A port is in a bridge, with what names its guest.

        :param mtu: bytes; of the port's network device, if there is one.
        :param datapath_type: makes the bridge too, if it is not there.
        :param set_ids: whether the port gets ``external_ids``.
        """
        self._run(
            *self.port_steps(
                bridge,
                dev,
                ids=port_ids(bridge, str(iface_id), str(mac), str(instance_id)) if set_ids else (),
                mtu=mtu,
                interface_type=interface_type,
                vhost_server_path=vhost_server_path,
                pf_pci=pf_pci,
                vf_num=vf_num,
                datapath_type=datapath_type,
                qos_type=qos_type,
                vlans=(tag, vlan_mode, trunks),
            )
        )

    def port_steps(
        self,
        bridge: str,
        dev: str,
        *,
        ids: Pairs,
        mtu: int | None,
        interface_type: str | None,
        vhost_server_path: str | None,
        pf_pci: str | None,
        vf_num: str | None,
        datapath_type: str | None,
        qos_type: str | None,
        vlans: tuple[int | None, str | None, int | None],
    ) -> tuple[PlanStep, ...]:
        """:param vlans: tag, mode and trunks of a new port."""
        tag, vlan_mode, trunks = vlans
        options = []
        if vhost_server_path:
            options.append(("vhost-server-path", vhost_server_path))
        if pf_pci and vf_num is not None:
            options.append(("dpdk-devargs", f"{pf_pci},representor=[{vf_num}]"))
        requested = mtu if mtu and interface_type in _USER_SPACE else None
        port = OvsPortInVlan(
            bridge,
            dev,
            interface_type or "",
            external_ids=ids,
            options=tuple(options),
            mtu_request=requested,
            qos=qos_type,
            tag=tag,
            vlan_mode=vlan_mode,
            trunks=trunks,
        )
        ensured = (OvsBridge(bridge, datapath_type),) if datapath_type else ()
        has_mtu = mtu and requested is None and validate.is_device_name(dev)
        device = (SetLink(dev, mtu=mtu, if_there=True),) if has_mtu else ()
        return (*device, *ensured, port)

    def update_ovs_vif_port(
        self, dev: str, mtu: int | None = None, interface_type: str | None = None
    ) -> None:
        """The MTU of a port that is there, in bytes."""
        if not mtu:
            return
        if interface_type not in _USER_SPACE:
            if validate.is_device_name(dev):
                self._run(SetLink(dev, mtu=mtu, if_there=True))
            return
        bridge = ovs_engine.bridge_of(self._switch, dev)
        if bridge is not None:
            self._run(OvsPort(bridge, dev, None, mtu_request=mtu))

    def delete_ovs_vif_port(
        self, bridge: str, dev: str, delete_netdev: bool = True, qos_type: str | None = None
    ) -> None:
        """A port has gone from a bridge, with its QoS row.

        :param delete_netdev: whether its network device goes too, if it is one that a VIF may
            have: tap, veth, and what os-vif has made.
        :param qos_type: has no meaning any more: the row is found by the port.
        :raises os_vif.exception.InvalidField: if the port is in another bridge. It stays there.
        """
        found = ovs_engine.bridge_of(self._switch, dev)
        if found not in (None, bridge):
            raise exception.InvalidField(
                field=f"The bridge of port {dev}", found=found, expected=bridge
            )
        # A port of a longer name has no device.
        is_device = delete_netdev and validate.is_device_name(dev)
        device = (DeleteLink(dev, unmarked=True),) if is_device else ()
        self._run(DeleteOvsPort(dev), *device)

    def create_patch_port_pair(
        self,
        port_bridge: str,
        port_bridge_port: str,
        int_bridge: str,
        int_bridge_port: str,
        iface_id: str,
        mac: str,
        instance_id: str,
        tag: int | None = None,
    ) -> None:
        """Two bridges are connected; the integration bridge's side names the guest."""
        self._run(
            OvsPort(port_bridge, port_bridge_port, "patch", options=(("peer", int_bridge_port),)),
            OvsPortInVlan(
                int_bridge,
                int_bridge_port,
                "patch",
                external_ids=port_ids(int_bridge, str(iface_id), str(mac), str(instance_id)),
                options=(("peer", port_bridge_port),),
                tag=tag,
            ),
        )
