# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Open vSwitch: a port for the VIF, and what is between the port and the guest."""

from __future__ import annotations

import dataclasses
import functools
import logging
import pathlib
import re
from typing import TYPE_CHECKING, Any

from os_vif import exception, objects, opts
from os_vif.host import limits
from os_vif.host.ovsdb import remotes, tls
from os_vif.host.ovsdb.tls import Tls
from os_vif.objects import host_info
from os_vif.plugin import PluginBase
from os_vif.plugins import awaited, vif_fields
from os_vif.steps import (
    DeleteBridge,
    DeleteLink,
    EnsureBridge,
    EnsureTap,
    EnsureVeth,
    SetLink,
    SetSysctl,
    validate,
)
from os_vif.steps.link.bridges import HYBRID
from os_vif.steps.plan import OvsdbTarget, Plan

if TYPE_CHECKING:
    from collections.abc import Collection

    from os_vif.steps.kernel_step import KernelStep
    from os_vif.steps.ovs.ports import Pairs
    from os_vif.steps.ovs.rows import OvsStep
    from os_vif.steps.plan import Step

LOG = logging.getLogger(__name__)

#: The prefixes of names that hosts have had since nova-network and Neutron's first releases.
_QVB, _QVO, _VHU, _VFR, _OWN = "qvb", "qvo", "vhu", "vfr", "pb"
#: The patch ports between a port's own bridge and the integration bridge: ``pbp`` and ``ibp``.
_OWN_PATCH, _INTEGRATION_PATCH = "pbp", "ibp"
#: Characters of a device's name, everywhere in OpenStack.
_LONGEST = 14
_TRUNK = "tbr-"
_SYSTEM, _NETDEV = "system", "netdev"
#: ``type`` of an Interface, by who makes the socket of vhost-user: QEMU is its client, or server.
_VHOST_USER = {"client": "dpdkvhostuser", "server": "dpdkvhostuserclient"}
#: Options, as Neutron names its own: private key, certificate, certificate of the authority.
_TLS = ("ssl_key_file", "ssl_cert_file", "ssl_ca_cert_file")
#: A name of RFC 1123, or an address.
_SERVER_NAME = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,253}|\[?[0-9A-Fa-f:.]{2,45}\]?")

#: Where a step has it from, by the step's field.
_SOURCES = {
    "bridge": "vif.network.bridge",
    "datapath_type": "vif.port_profile.datapath_type",
    "external_ids": "What names the port (interface_id, uuid)",
    "options": "vif.path",
    "qos": "[os_vif_ovs]default_qos_type",
    "user": "vif.port_profile.interface_id",
}


class OvsPlugin(PluginBase):
    CONFIG_OPTS = opts.OVS
    privsep_module = "vif_plug_ovs.privsep"

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        #: What a log has been told, once.
        self._told: set[str] = set()

    @staticmethod
    def gen_port_name(prefix: str, vif_id: str) -> str:
        """The name of a VIF's device or socket: 14 characters at most, as everywhere in OpenStack."""
        return f"{prefix}{vif_id}"[:_LONGEST]

    def describe(self) -> objects.HostPluginInfo:
        ovs = objects.VIFPortProfileOpenVSwitch
        representor = objects.VIFPortProfileOVSRepresentor
        return host_info.describe(
            "ovs",
            {
                objects.VIFBridge: (ovs,),
                objects.VIFOpenVSwitch: (ovs,),
                objects.VIFVHostUser: (ovs, representor),
                objects.VIFHostDevice: (ovs, representor),
            },
        )

    def plan_plug(self, vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> Plan:
        """A port on the switch, with what names its guest; or only the bridge for it.

        :raises os_vif.exception.InvalidField: for a VIF that cannot be plugged as it is.
        """
        profile = vif_fields.ovs_profile(vif)
        awaits: tuple[Step, ...] = ()
        try:
            match vif:
                case objects.VIFOpenVSwitch():
                    steps = self._native(vif, profile, instance_info)
                    own = self._name(_OWN, vif) if vif_fields.get(vif, "id") else None
                    awaits = awaited.port_of_switch(vif, profile, steps, own)
                case objects.VIFBridge():
                    steps = self._hybrid(vif, profile, instance_info)
                case objects.VIFVHostUser():
                    steps = self._vhost_user(vif, profile, instance_info)
                case objects.VIFHostDevice():
                    steps = self._host_device(vif, profile, instance_info)
                case _:
                    raise _unknown(vif)
        except exception.InvalidStep as error:
            raise vif_fields.of_step(error, _SOURCES) from error
        return Plan(*steps, switch=self._switch(), awaits=awaits)

    def plan_unplug(self, vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> Plan:
        """Nothing of the VIF is left, whatever is configured by now, and whoever plugged it."""
        profile = vif_fields.ovs_profile(vif)
        try:
            match vif:
                case objects.VIFOpenVSwitch():
                    steps = self._without_native(vif)
                case objects.VIFBridge():
                    steps = self._without_hybrid(vif)
                case objects.VIFVHostUser():
                    steps = self._without(vif, (self._name(_VHU, vif),))
                case objects.VIFHostDevice():
                    steps = self._without_host_device(vif, profile)
                case _:
                    raise _unknown(vif)
        except exception.InvalidStep as error:
            raise vif_fields.of_step(error, _SOURCES) from error
        return Plan(*steps, switch=self._switch())

    def _native(
        self,
        vif: objects.VIFBase,
        profile: objects.VIFPortProfileOpenVSwitch,
        instance: objects.InstanceInfo,
    ) -> tuple[Step, ...]:
        """The guest's device is a port itself. By default, it is libvirt that adds it."""
        from os_vif.plugins import ovs_bridge
        from os_vif.steps.ovs.port_names import OvsPortName
        from os_vif.steps.ovs.ports import EnsureOvsBridge, EnsureOvsPort

        bridge, datapath = vif_fields.network_bridge(vif), _datapath(profile)
        integration = ovs_bridge.ensured(vif, self._switch(), datapath)
        if not self.config.per_port_bridge and not vif_fields.get(profile, "create_port"):
            given = vif_fields.get(vif, "vif_name")
            # Only the hypervisor needs it, and may call its device otherwise.
            usable = limits.is_device_name(given) and given != bridge
            return (integration, OvsPortName(given)) if usable else (integration,)
        name = vif_fields.named(vif, "vif_name")
        own = self._has_own_bridge(vif, name, bridge)
        if not own and not vif_fields.get(profile, "create_port"):
            return (integration, OvsPortName(name))
        device = self._device(vif, profile, name)
        made = bool(vif_fields.get(profile, "create_tap"))
        ids = self._ids(vif, profile, instance, bridge)
        qos, isolated = self._qos(datapath), self._isolated(bridge)
        if not own:
            port = EnsureOvsPort(
                bridge, name, external_ids=ids, isolated=isolated, qos=qos, must_open=made
            )
            return (*device, integration, port)
        beside = self._name(_OWN, vif)
        near, far = self._patches(vif)
        return (
            *device,
            integration,
            EnsureOvsBridge(beside, datapath),
            # What others look for is at the integration bridge.
            EnsureOvsPort(beside, name, qos=qos, must_open=made),
            EnsureOvsPort(beside, near, "patch", options=(("peer", far),)),
            EnsureOvsPort(
                bridge,
                far,
                "patch",
                external_ids=ids,
                options=(("peer", near),),
                isolated=isolated,
            ),
        )

    def _has_own_bridge(self, vif: objects.VIFBase, port: str, bridge: str) -> bool:
        """What is configured is for new ports: traffic goes through one that is there.

        nova-compute plugs the VIFs of running guests again when it starts.
        """
        from os_vif.engine import ovs as ovs_engine

        own = bool(self.config.per_port_bridge)
        if not own and vif_fields.get(vif, "id") is None:
            return False
        switch = self._switch()
        try:
            if ovs_engine.is_in(switch, port, self._name(_OWN, vif)):
                return True
            return own and ovs_engine.bridge_of(switch, port) != bridge
        except exception.OvsdbUnreachable:
            # A dry run needs no switch, and a plug tells it.
            return own

    def _device(
        self, vif: objects.VIFBase, profile: objects.VIFPortProfileOpenVSwitch, name: str
    ) -> tuple[KernelStep, ...]:
        """The guest's device, which is there before the switch looks for it."""
        mtu = self._mtu(vif)
        if not vif_fields.get(profile, "create_tap"):
            # The switch would take the other device.
            vif_fields.require_no_alternative("vif.vif_name", name)
            return (SetLink(name, mtu=mtu, missing_ok=True),)
        multiqueue = bool(vif_fields.get(profile, "multiqueue"))
        return (
            EnsureTap(name, multiqueue=multiqueue, address=vif_fields.mac(vif)),
            # It has the guest's MAC address: one of IPv6 would be the guest's too.
            SetSysctl(name, "disable_ipv6", 1, only_managed=True),
            SetLink(name, mtu=mtu, up=True),
        )

    def _without_native(self, vif: objects.VIFBase) -> tuple[Step, ...]:
        """Also what a hybrid plug has left (a cold migration), and a bridge of its own."""
        from os_vif.steps.ovs.ports import DeleteOvsBridge

        name = vif_fields.named(vif, "vif_name")
        device = DeleteLink(name, include_unmanaged=True)
        if vif_fields.get(vif, "id") is None:
            return (*self._without(vif, (name,)), device)
        pair = self._name(_QVO, vif), self._name(_QVB, vif)
        names = (name, pair[0], *self._patches(vif))
        return (
            *self._without(vif, names),
            DeleteOvsBridge(self._name(_OWN, vif)),
            device,
            *(DeleteLink(half, include_unmanaged=True) for half in pair),
            DeleteBridge(self._name(HYBRID, vif), include_unmanaged=True),
        )

    def _hybrid(
        self,
        vif: objects.VIFBase,
        profile: objects.VIFPortProfileOpenVSwitch,
        instance: objects.InstanceInfo,
    ) -> tuple[Step, ...]:
        """A Linux bridge, in which Neutron has its rules, and a pair of devices to the switch."""
        from os_vif.plugins import ovs_bridge
        from os_vif.steps.ovs.ports import EnsureOvsPort

        if vif_fields.get(profile, "create_tap"):
            self._warn("create_tap is ignored: a VIFBridge has its tap device on a Linux bridge")
        qbr = vif_fields.named(vif, "bridge_name")
        qvb, qvo = self._name(_QVB, vif), self._name(_QVO, vif)
        bridge, datapath, mtu = vif_fields.network_bridge(vif), _datapath(profile), self._mtu(vif)
        return (
            # What it has learnt of a guest that migrates would be wrong (LP 1715317).
            EnsureBridge(qbr, ageing=0),
            *SetSysctl.hardening(qbr, only_managed=False),
            EnsureVeth(qvb, qvo, mtu=mtu),
            SetSysctl(qvb, "disable_ipv6", 1),
            SetSysctl(qvo, "disable_ipv6", 1),
            SetLink(qbr, up=True),
            SetLink(qvb, mtu=mtu, promiscuous=True, master=qbr, up=True),
            SetLink(qvo, mtu=mtu, promiscuous=True, up=True),
            ovs_bridge.ensured(vif, self._switch(), datapath),
            EnsureOvsPort(
                bridge,
                qvo,
                external_ids=self._ids(vif, profile, instance, bridge),
                isolated=self._isolated(bridge),
                qos=self._qos(datapath),
                must_open=True,
            ),
        )

    def _without_hybrid(self, vif: objects.VIFBase) -> tuple[Step, ...]:
        qvo, qvb = self._name(_QVO, vif), self._name(_QVB, vif)
        qbr = vif_fields.named(vif, "bridge_name")
        return (
            *self._without(vif, (qvo,)),
            DeleteLink(qvo, include_unmanaged=True),
            # It goes with its peer, unless the pair has been torn apart.
            DeleteLink(qvb, include_unmanaged=True),
            DeleteBridge(qbr, include_unmanaged=qbr.startswith(HYBRID)),
        )

    def _vhost_user(
        self,
        vif: objects.VIFBase,
        profile: objects.VIFPortProfileOpenVSwitch,
        instance: objects.InstanceInfo,
    ) -> tuple[Step, ...]:
        """The guest shares its memory with a switch in user space; there is no device."""
        from os_vif.plugins import ovs_bridge
        from os_vif.steps.ovs.ports import EnsureOvsPort

        mode = vif_fields.get(vif, "mode")
        if mode not in _VHOST_USER:
            raise vif_fields.invalid("vif.mode", mode or "unset", "client or server")
        options: Pairs = ()
        if mode == "server":
            path = vif_fields.get(vif, "path")
            if not path:
                raise vif_fields.invalid("vif.path", "unset", "the path of a socket")
            options = (("vhost-server-path", path),)
        bridge = vif_fields.network_bridge(vif)
        return (
            ovs_bridge.ensured(vif, self._switch(), _datapath(profile, _NETDEV)),
            EnsureOvsPort(
                bridge,
                self._name(_VHU, vif),
                _VHOST_USER[mode],
                external_ids=self._ids(vif, profile, instance, bridge),
                options=options,
                # With the port, not after it: its memory is of that size (LP 1959586).
                mtu_request=self._mtu(vif),
                isolated=self._isolated(bridge),
                must_open=True,
            ),
        )

    def _host_device(
        self,
        vif: objects.VIFHostDevice,
        profile: objects.VIFPortProfileOpenVSwitch,
        instance: objects.InstanceInfo,
    ) -> tuple[Step, ...]:
        """The guest has a virtual function; what stands for it on the host is a port."""
        from os_vif.plugins import offload, ovs_bridge
        from os_vif.steps.ovs.ports import EnsureOvsPort

        bridge, datapath = vif_fields.network_bridge(vif), _datapath(profile)
        port = functools.partial(
            EnsureOvsPort,
            bridge,
            external_ids=self._ids(vif, profile, instance, bridge),
            isolated=self._isolated(bridge),
            qos=self._qos(datapath),
            must_open=True,
        )
        made = ovs_bridge.ensured(vif, self._switch(), datapath)
        wanted = offload.Wanted(vif, profile, self._switch(), self._mtu(vif), made, port)
        if datapath == _SYSTEM:
            return offload.kernel(wanted)
        return offload.user_space(wanted, self._name(_VFR, vif))

    def _without_host_device(
        self, vif: objects.VIFHostDevice, profile: objects.VIFPortProfileOpenVSwitch
    ) -> tuple[Step, ...]:
        """Also where the virtual function has gone: the switch knows which port was its."""
        from os_vif.plugins import offload

        in_kernel = _datapath(profile) == _SYSTEM
        found = offload.plugged(vif, profile, self._switch(), in_kernel=in_kernel)
        of_dpdk = () if in_kernel else (self._name(_VFR, vif),)
        ports = (*of_dpdk, *(name for name in found if name not in of_dpdk))
        # Else vswitchd could set its devices up again, which are brought down next.
        released = self._without(vif, ports, settled=True)
        return (*released, *offload.back(found, profile))

    def _without(
        self, vif: objects.VIFBase, ports: tuple[str, ...], *, settled: bool = False
    ) -> tuple[OvsStep, ...]:
        """Ports are gone, and with them the bridge of their trunk.

        :param settled: for vswitchd too, before anything else is done.
        """
        from os_vif.steps.ovs.ports import DeleteOvsBridge, DeleteOvsPort, ReleaseOvsPort

        network = vif_fields.get(vif, "network")
        bridge = vif_fields.get(network, "bridge") if network is not None else None
        trunk = (DeleteOvsBridge(bridge),) if bridge and bridge.startswith(_TRUNK) else ()
        step = ReleaseOvsPort if settled else DeleteOvsPort
        return (*(step(port) for port in ports), *trunk)

    def _ids(
        self,
        vif: objects.VIFBase,
        profile: objects.VIFPortProfileOpenVSwitch,
        instance: objects.InstanceInfo,
        bridge: str,
    ) -> Pairs:
        """By these the agent of Neutron, or OVN, knows the port."""
        interface_id = vif_fields.get(profile, "interface_id")
        if not interface_id:
            raise vif_fields.invalid(
                "vif.port_profile.interface_id", "unset", "the id of a Neutron port"
            )
        # Neutron's agent for smart NICs knows no instance, and neither may a user of the command.
        instance_id = str(vif_fields.get(instance, "uuid") or "")
        return port_ids(bridge, str(interface_id), vif_fields.mac(vif), instance_id)

    def _isolated(self, bridge: str) -> bool:
        # Nobody would take the port of a trunk out again (LP 2069543).
        return bool(self.config.isolate_vif) and not bridge.startswith(_TRUNK)

    def _qos(self, datapath: str) -> str | None:
        qos: str = self.config.default_qos_type
        return qos if datapath == _SYSTEM else None

    def _mtu(self, vif: objects.VIFBase) -> int:
        return vif_fields.mtu(vif, self.config, "os_vif_ovs")

    def _name(self, prefix: str, vif: objects.VIFBase) -> str:
        return self.gen_port_name(prefix, vif_fields.port_id(vif))

    def _patches(self, vif: objects.VIFBase) -> tuple[str, str]:
        """The patch port of the VIF's own bridge, and its peer on the integration bridge."""
        longest, port_id = validate.MAX_PORT_NAME, vif_fields.port_id(vif)
        return f"{_OWN_PATCH}{port_id}"[:longest], f"{_INTEGRATION_PATCH}{port_id}"[:longest]

    def interface_ids(self, devices: Collection[str]) -> dict[str, str]:
        """Which VIFs' ports those of some network devices are that are ports: ``iface-id`` by name.

        :raises os_vif.exception.OvsdbError: if the switch cannot be read.
        """
        from os_vif.engine import ovs as ovs_engine

        return ovs_engine.interface_ids(self._switch(), devices)

    def _switch(self) -> OvsdbTarget:
        connection, field = self.config.ovsdb_connection or "", "[os_vif_ovs]ovsdb_connection"
        by_daemon = self.config.ovsdb_interface == "vsctl"
        if by_daemon and (not connection or isinstance(connection, opts.EmptyText)):
            # As ovs-vsctl does that is given no --db.
            connection = f"unix:{remotes.DEFAULT_SOCKET}"
        if (fault := remotes.fault(connection)) is not None:
            found = f"{connection}, {fault}" if connection.strip() else "unset"
            raise vif_fields.invalid(field, found, remotes.EXPECTED)
        tls = self._tls() if remotes.is_secured(connection) else None
        timeout = max(0, self.config.ovs_vsctl_timeout)
        opener = self.privsep_module if by_daemon else None
        return OvsdbTarget(
            connection, timeout, tls, wait=self.config.wait_for_vswitchd, opener=opener
        )

    def _tls(self) -> Tls:
        """Our own files; else those that another user of python-ovs has set for the process."""
        files = {option: getattr(self.config, option) for option in _TLS}
        if not any(files.values()):
            if (of_process := tls.process_tls_settings()) is None:
                expected = "files for ssl: in ovsdb_connection"
                raise vif_fields.invalid(f"[os_vif_ovs]{', '.join(_TLS)}", "unset", expected)
            return dataclasses.replace(of_process, **self._expected_server())
        expected = "a file that can be read, for ssl: in ovsdb_connection"
        for option, path in files.items():
            if not path:
                raise vif_fields.invalid(f"[os_vif_ovs]{option}", "unset", expected)
            try:
                content = pathlib.Path(path).read_bytes()
            except OSError as error:
                found = f"{path}: {error.strerror}"
                raise vif_fields.invalid(f"[os_vif_ovs]{option}", found, expected) from error
            if option == _TLS[0] and tls.is_encrypted(content):
                found, without = f"{path}: an encrypted key", "a private key without a passphrase"
                raise vif_fields.invalid(f"[os_vif_ovs]{option}", found, without)
        return Tls(*files.values(), **self._expected_server())

    def _expected_server(self) -> dict[str, Any]:
        """Return the arguments of Tls that say whom the server's certificate has to be for."""
        name = (self.config.ssl_server_name or "").strip()
        if name and not _SERVER_NAME.fullmatch(name):
            expected = "a DNS name or an IP address"
            raise vif_fields.invalid("[os_vif_ovs]ssl_server_name", repr(name), expected)
        return {
            "check_hostname": self.config.ssl_check_hostname or bool(name),
            "server_name": name.removeprefix("[").removesuffix("]"),
        }

    def _warn(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            LOG.warning("%s", text)


def port_ids(bridge: str, interface_id: str, mac: str, instance_id: str) -> Pairs:
    """Return the ``external_ids`` of a port of a bridge.

    :param instance_id: empty if the instance is not known: then the port keeps what it has of it.
    """
    ids: Pairs = (
        ("iface-id", interface_id),
        ("iface-status", "active"),
        ("attached-mac", mac),
    )
    ids = (*ids, ("vm-uuid", instance_id)) if instance_id else ids
    # Neutron finds by it what a trunk has left (LP 2087944).
    return (*ids, ("bridge_name", bridge)) if bridge.startswith(_TRUNK) else ids


def _datapath(profile: objects.VIFPortProfileOpenVSwitch, otherwise: str = _SYSTEM) -> str:
    return vif_fields.get(profile, "datapath_type") or otherwise


def _unknown(vif: objects.VIFBase) -> exception.InvalidField:
    known = "a VIFOpenVSwitch, VIFBridge, VIFVHostUser or VIFHostDevice"
    return vif_fields.invalid("vif", f"a {vif.obj_name()}", known)
