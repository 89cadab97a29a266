# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""``BaseOVS`` of the public os-vif: functions on bridges and ports of Open vSwitch.

Each function runs a plan: a single transaction, rolled back after a failure.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from os_vif import exception
from os_vif.host import limits
from os_vif.host.ovsdb import lookups
from os_vif.plugins.ovs import OvsPlugin, port_ids
from os_vif.steps import DeleteLink, SetLink, validate
from os_vif.steps.ovs.bridge import DeleteOvsBridge, EnsureOvsBridge
from os_vif.steps.ovs.port import DeleteOvsPort, EnsureOvsPort, Pairs
from os_vif.steps.plan import Plan
from vif_plug_ovs import constants

if TYPE_CHECKING:
    from os_vif.host.ovsdb.notation import Row
    from os_vif.steps.plan import OvsdbTarget, Step

_USER_SPACE = (
    constants.OVS_VHOSTUSER_INTERFACE_TYPE,
    constants.OVS_VHOSTUSER_CLIENT_INTERFACE_TYPE,
)
#: ``vlan_mode`` of a Port: ovs-vswitchd.conf.db(5).
_VLAN_MODES = ("access", "dot1q-tunnel", "native-tagged", "native-untagged", "trunk")
_MAX_TAG = 4095


@dataclasses.dataclass(frozen=True)
class OvsPortInVlan(EnsureOvsPort):
    """A port with VLAN settings for creation. The VLANs of an existing port stay unchanged."""

    #: VLAN identifier, or None.
    tag: int | None = None
    #: A mode of ``_VLAN_MODES``, or None.
    vlan_mode: str | None = None
    #: VLAN identifier of a trunk, or None.
    trunks: int | None = None

    def validate(self) -> None:
        super().validate()
        validate.integer(self, "tag", 0, _MAX_TAG, optional=True)
        validate.integer(self, "trunks", 0, _MAX_TAG, optional=True)
        if self.vlan_mode is not None:
            validate.one_of(self, "vlan_mode", _VLAN_MODES, f"one of {', '.join(_VLAN_MODES)}")

    @property
    def _port_columns(self) -> Row:
        row = {"tag": self.tag, "vlan_mode": self.vlan_mode, "trunks": self.trunks}
        return {column: value for column, value in row.items() if value is not None}


class BaseOVS:
    """A client of the Open vSwitch that the options name.

    Functions that change the switch raise :class:`os_vif.exception.StepFailed` after a failure.
    The changes are rolled back, or the text lists the steps that could not be undone.

    :param config: an option group with the options of ``[os_vif_ovs]``.
    """

    def __init__(self, config: Any) -> None:
        self._plugin = OvsPlugin(config)

    @property
    def _switch(self) -> OvsdbTarget:
        """Address and timeouts of the switch."""
        return self._plugin._switch()  # noqa: SLF001 - BaseOVS is a facade of the plugin

    def _run(self, *steps: Step) -> None:
        """Run steps as a plan of the plugin."""
        self._plugin._run(Plan(*steps, switch=self._switch))  # noqa: SLF001 - see _switch

    def ensure_ovs_bridge(self, bridge: str, datapath_type: str | None) -> None:
        """Create a bridge, if missing. An existing bridge keeps its datapath type."""
        self._run(EnsureOvsBridge(bridge, datapath_type or ""))

    def delete_ovs_bridge(self, bridge: str) -> None:
        """Delete the bridge of a single VIF or of a trunk, unless the bridge is in use.

        :raises os_vif.exception.InvalidStep: if the bridge is of another kind, such as the
            integration bridge.
        """
        self._run(DeleteOvsBridge(bridge))

    def port_exists(self, port_name: str, bridge: str) -> bool:
        """Return whether a port is in a bridge."""
        return lookups.bridge_of(self._switch, port_name) == bridge

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
        """Create a port, or update an existing port of the name.

        :param iface_id: ``iface-id`` in ``external_ids``: the id of the Neutron port.
        :param mac: ``attached-mac`` in ``external_ids``: the MAC address of the guest.
        :param instance_id: ``vm-uuid`` in ``external_ids``: the id of the virtual machine.
        :param mtu: MTU in bytes, of the network device or, for vhost-user, of the port.
        :param interface_type: ``type`` of the Interface row; None means a network device.
        :param vhost_server_path: path of the vhost-user socket of QEMU.
        :param tag: VLAN identifier of a new port.
        :param pf_pci: PCI address of the physical function of a DPDK representor.
        :param vf_num: number of the virtual function of a DPDK representor.
        :param set_ids: set ``external_ids``.
        :param datapath_type: create a missing bridge with the datapath type; None creates none.
        :param qos_type: QoS type of a new port.
        :param vlan_mode: VLAN mode of a new port.
        :param trunks: VLAN identifier of a trunk of a new port.
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
    ) -> tuple[Step, ...]:
        """Return the steps of :meth:`create_ovs_vif_port`.

        :param ids: ``external_ids`` of the port.
        :param vlans: tag, VLAN mode and trunks of a new port.
        """
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
        ensured = (EnsureOvsBridge(bridge, datapath_type),) if datapath_type else ()
        has_mtu = mtu and requested is None and limits.is_device_name(dev)
        device = (SetLink(dev, mtu=mtu, missing_ok=True),) if has_mtu else ()
        return (*device, *ensured, port)

    def update_ovs_vif_port(
        self, dev: str, mtu: int | None = None, interface_type: str | None = None
    ) -> None:
        """Set the MTU of an existing port.

        :param mtu: MTU in bytes; None or 0 leaves the MTU unchanged.
        :param interface_type: ``type`` of the Interface row.
        """
        if not mtu:
            return
        if interface_type not in _USER_SPACE:
            if limits.is_device_name(dev):
                self._run(SetLink(dev, mtu=mtu, missing_ok=True))
            return
        bridge = lookups.bridge_of(self._switch, dev)
        if bridge is not None:
            self._run(EnsureOvsPort(bridge, dev, None, mtu_request=mtu))

    def delete_ovs_vif_port(
        self, bridge: str, dev: str, delete_netdev: bool = True, qos_type: str | None = None
    ) -> None:
        """Delete a port and the QoS row of the port. A missing port is no error.

        :param delete_netdev: also delete the network device, if the device is a tap or veth
            device, or was created by os-vif.
        :param qos_type: ignored: the port names the QoS row.
        :raises os_vif.exception.InvalidField: if the port is in another bridge. The port stays.
        """
        found = lookups.bridge_of(self._switch, dev)
        if found not in (None, bridge):
            raise exception.InvalidField(
                field=f"The bridge of port {dev}", found=found, expected=bridge
            )
        # The kernel limits the names of devices to 15 bytes; Open vSwitch accepts longer names.
        is_device = delete_netdev and limits.is_device_name(dev)
        device = (DeleteLink(dev, include_unmanaged=True),) if is_device else ()
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
        """Connect two bridges with a pair of patch ports.

        The patch port in the integration bridge has the ``external_ids`` of the VIF.

        :param port_bridge: the bridge of the VIF.
        :param port_bridge_port: name of the patch port in *port_bridge*.
        :param int_bridge: the integration bridge.
        :param int_bridge_port: name of the patch port in *int_bridge*.
        :param iface_id: id of the Neutron port.
        :param mac: MAC address of the guest.
        :param instance_id: id of the virtual machine.
        :param tag: VLAN identifier of the patch port in *int_bridge*.
        """
        self._run(
            EnsureOvsPort(
                port_bridge, port_bridge_port, "patch", options=(("peer", int_bridge_port),)
            ),
            OvsPortInVlan(
                int_bridge,
                int_bridge_port,
                "patch",
                external_ids=port_ids(int_bridge, str(iface_id), str(mac), str(instance_id)),
                options=(("peer", port_bridge_port),),
                tag=tag,
            ),
        )
