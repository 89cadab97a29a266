# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Options of the plugins. ``oslo-config-generator --namespace os_vif`` lists the options.

An option with an empty value in a configuration file (``ovs_vsctl_timeout =``) has the default.
"""

from __future__ import annotations

import copy
import importlib.metadata
import logging
from collections.abc import Iterable
from typing import Any

from oslo_config import cfg, types

from os_vif import upgrade_levels
from os_vif.escape import described_error

LOG = logging.getLogger(__name__)

__all__ = ["list_opts", "list_plugins_opts"]


class EmptyText(str):
    """The default of a text option with an empty value in a configuration file.

    Readers that must distinguish an empty value from an unset option test for this class.
    """

    __slots__ = ()


class _DefaultIfEmpty:
    """Mixin for types of oslo.config: an empty text is converted to the default."""

    default: Any = None

    def __call__(self, value: Any) -> Any:
        if isinstance(value, str) and not value.strip():
            return EmptyText(self.default) if isinstance(self.default, str) else self.default
        return super().__call__(value)  # type: ignore[misc]


class _Integer(_DefaultIfEmpty, types.Integer):
    pass


class _Boolean(_DefaultIfEmpty, types.Boolean):
    pass


class _String(_DefaultIfEmpty, types.String):
    pass


_TYPES = {types.Integer: _Integer, types.Boolean: _Boolean, types.String: _String}


def _default_if_empty(*options: cfg.Opt) -> tuple[cfg.Opt, ...]:
    """Make options accept an empty value as the default. Return the same options.

    ``MultiStrOpt`` is unchanged: the plugin receives the list of all values.
    """
    for option in options:
        replacement = _TYPES.get(type(option.type))
        if replacement is not None:
            # Changing the class of the type object keeps the limits and choices of the type.
            option_type: Any = option.type
            option_type.__class__, option_type.default = replacement, option.default
    return options


_MTU = cfg.IntOpt(
    "network_device_mtu",
    default=1500,
    help="MTU, in bytes, of the devices of a network without an MTU.",
    deprecated_group="DEFAULT",
)

LINUX_BRIDGE = _default_if_empty(
    _MTU,
    cfg.StrOpt(
        "flat_interface",
        help="Uplink of every flat bridge, instead of the bridge_interface of the network.",
        deprecated_group="DEFAULT",
    ),
    cfg.StrOpt(
        "vlan_interface",
        help="Device on which every VLAN device is created, instead of the bridge_interface of "
        "the network.",
        deprecated_group="DEFAULT",
    ),
    cfg.BoolOpt(
        "use_ipv6",
        default=False,
        help="Create forwarding rules for IPv6, in addition to IPv4.",
        deprecated_group="DEFAULT",
    ),
    cfg.MultiStrOpt(
        "forward_bridge_interface",
        default=["all"],
        help="Device from and to which a bridge may forward packets; 'all' permits every device. "
        "May be repeated.",
        deprecated_group="DEFAULT",
    ),
    cfg.StrOpt(
        "iptables_drop_action",
        default="DROP",
        help="Target or chain of iptables for packets that a bridge must not forward.",
        deprecated_group="DEFAULT",
    ),
    cfg.StrOpt(
        "iptables_top_regex",
        default="",
        help="Regular expression: matching rules, in the format of iptables-save, stay before the "
        "rules of os-vif.",
        deprecated_group="DEFAULT",
    ),
    cfg.StrOpt(
        "iptables_bottom_regex",
        default="",
        help="Regular expression: matching rules, in the format of iptables-save, stay after the "
        "rules of os-vif.",
        deprecated_group="DEFAULT",
    ),
)

#: The default of ``ovsdb_connection``.
OVSDB_CONNECTION = "tcp:127.0.0.1:6640"

OVS = _default_if_empty(
    _MTU,
    cfg.IntOpt(
        "ovs_vsctl_timeout",
        default=120,
        help="Timeout, in seconds, for all requests of a plug or unplug to Open vSwitch; 0 means no "
        "timeout. A rollback has 10 more seconds.",
        deprecated_group="DEFAULT",
    ),
    cfg.BoolOpt(
        "wait_for_vswitchd",
        default=True,
        help="Return after ovs-vswitchd has applied a change. If false, return after the commit to "
        "the database: the port may open later, and an error of ovs-vswitchd is not reported.",
    ),
    cfg.StrOpt(
        "ovsdb_connection",
        default=OVSDB_CONNECTION,
        help="Address of ovsdb-server, as in ovsdb(7): unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT. "
        "HOST is an IP address. Separate the servers of a cluster by commas.",
    ),
    cfg.StrOpt(
        "ssl_key_file",
        help="File with the private key of the client, in PEM, for an ssl: server in "
        "ovsdb_connection.",
    ),
    cfg.StrOpt(
        "ssl_cert_file",
        help="File with the certificate of the client, in PEM, for ssl_key_file.",
    ),
    cfg.StrOpt(
        "ssl_ca_cert_file",
        help="File with the certificate, in PEM, of the authority that signed the certificate of "
        "an ssl: server. If ssl_key_file, ssl_cert_file and ssl_ca_cert_file are all unset, the "
        "files that the program has set for python-ovs are used.",
    ),
    cfg.BoolOpt(
        "ssl_check_hostname",
        default=False,
        help="Require that a subjectAltName in the certificate of an ssl: server matches the IP "
        "address in ovsdb_connection, or ssl_server_name. If false, every certificate of the "
        "authority is accepted, as by the programs of Open vSwitch.",
    ),
    cfg.StrOpt(
        "ssl_server_name",
        help="DNS name or IP address required in the certificate of an ssl: server, instead of the "
        "IP address in ovsdb_connection. Setting ssl_server_name turns ssl_check_hostname on.",
    ),
    cfg.StrOpt(
        "ovsdb_interface",
        choices=("vsctl", "native"),
        default="native",
        help="Process that opens a unix: socket in ovsdb_connection. With native, the calling "
        "process opens the socket. With vsctl, the privileged daemon opens the socket if the "
        "calling process has no permission, and passes the open socket to the process; an empty "
        "ovsdb_connection means unix:/run/openvswitch/db.sock.",
    ),
    cfg.BoolOpt(
        "isolate_vif",
        default=False,
        help="Create a port in the dead VLAN 4095; the ML2/OVS agent moves the port to its VLAN. "
        "Set to true only with ML2/OVS: with other mechanism drivers the port stays isolated.",
    ),
    cfg.BoolOpt(
        "per_port_bridge",
        default=False,
        help="Create a separate bridge for each new port, patched to the integration bridge.",
    ),
    cfg.StrOpt(
        "default_qos_type",
        choices=(
            "linux-htb",
            "linux-hfsc",
            "linux-sfq",
            "linux-codel",
            "linux-fq_codel",
            "linux-noop",
        ),
        default="linux-noop",
        help="QoS type of a new port of the kernel datapath. With linux-noop, Open vSwitch does not "
        "change the qdisc of the port.",
    ),
)

#: Options of the plugins of os-vif, by plugin name.
IN_TREE: dict[str, tuple[cfg.Opt, ...]] = {
    "linux_bridge": LINUX_BRIDGE,
    "noop": (),
    "ovs": OVS,
    "sriov": (),
}


#: Options of os-vif in the calling process.
CALLER = _default_if_empty(
    cfg.StrOpt(
        "owner",
        sample_default="<name of the program>",
        help="Owner that each plugged VIF is recorded with, of at most 64 bytes. Commands that "
        "list VIFs or delete stale VIFs select VIFs by owner. If unset, the owner is the name of "
        "the program, such as nova.",
    ),
    cfg.StrOpt(
        "audit",
        help="Write a line for each change of the host, with the commands that undo the change: "
        "'journal' for the systemd journal, or the absolute path of a regular file. If unset, nothing is written.",
    ),
    cfg.StrOpt(
        "pod_link",
        help="Name of the device of the host below the macvlan and VLAN devices of pods in a "
        "virtual machine (VIFMacvlanNested, VIFVlanNested).",
    ),
    cfg.StrOpt(
        "pod_link_route",
        help="IP address, such as that of the Kubernetes API server: without pod_link, the device "
        "of the route to the address is below the macvlan and VLAN devices of pods.",
    ),
    cfg.StrOpt(
        "privileged_socket",
        help="Path of the socket of the shared privileged daemon, such as "
        "/run/os-vif/privileged.sock. Without a path, each process starts a privileged daemon of "
        "its own for each plugin. With a path, no process starts a daemon: if no shared daemon "
        "answers, plugging fails.",
    ),
    cfg.FloatOpt(
        "privileged_socket_timeout",
        default=30.0,
        min=0.1,
        help="Seconds to wait for the shared privileged daemon, for example during a restart of "
        "the daemon.",
    ),
)

#: Options of the shared privileged daemon, ``os-vif privileged``.
SHARED_DAEMON = _default_if_empty(
    cfg.ListOpt(
        "allowed_users",
        default=[],
        help="Names or numbers of the users that may call the shared privileged daemon, besides "
        "root.",
    ),
    cfg.ListOpt(
        "allowed_groups",
        default=[],
        help="Names or numbers of the groups whose members may call the shared privileged daemon.",
    ),
    cfg.IntOpt(
        "threads",
        min=2,
        help="Number of calls that the daemon runs at a time. One of them is always free for "
        "another user. By default one more than the processors, and at least 9.",
    ),
    cfg.IntOpt(
        "max_calls_per_user",
        default=256,
        min=1,
        help="Number of calls of a user that run or wait. A further call is refused.",
    ),
    cfg.IntOpt(
        "max_connections",
        default=1024,
        min=1,
        help="Number of open connections of all users. A further connection is refused.",
    ),
    cfg.IntOpt(
        "max_connections_per_user",
        default=512,
        min=1,
        help="Number of open connections of a user. A further connection is refused.",
    ),
)

#: Options that belong to no plugin, by group.
LIBRARY: dict[str, tuple[cfg.Opt, ...]] = {
    "os_vif": CALLER,
    "os_vif_privileged": SHARED_DAEMON,
    upgrade_levels.GROUP: _default_if_empty(upgrade_levels.OS_VIF),
}


#: Capabilities of the privileged daemons that oslo.privsep starts, by group. The group of a daemon
#: exists as soon as the module of the daemon is imported.
PRIVILEGED: dict[str, tuple[str, ...]] = {
    "os_vif_pod_privileged": ("CAP_NET_ADMIN", "CAP_SYS_ADMIN"),
    "os_vif_sriov_privileged": ("CAP_NET_ADMIN",),
    "vif_plug_linux_bridge_privileged": ("CAP_NET_ADMIN",),
    "vif_plug_ovs_privileged": ("CAP_NET_ADMIN",),
}


def register_library(conf: cfg.ConfigOpts) -> None:
    """Register the options that belong to no plugin. Idempotent."""
    for group, options in LIBRARY.items():
        conf.register_opts(list(options), group=group)


#: Names of plugins of os-vif that the public os-vif does not have. Another distribution may use
#: the same name: kuryr-kubernetes 0.6.0 to 6.0.1 has a plugin named sriov.
LATE_NAMES = frozenset({"sriov"})


def is_ours(entry_point: importlib.metadata.EntryPoint) -> bool:
    """Return whether an entry point names a class of os-vif."""
    return entry_point.value.startswith("os_vif.")


def ceded(entry_points: Iterable[importlib.metadata.EntryPoint]) -> dict[str, str]:
    """Return the names of ``LATE_NAMES`` that another distribution uses.

    The plugin of the other distribution is loaded instead of the plugin of os-vif.

    :param entry_points: all entry points of the group ``os_vif``.
    :returns: the value of the other distribution's entry point, by name.
    """
    return {
        entry_point.name: entry_point.value
        for entry_point in entry_points
        if entry_point.name in LATE_NAMES and not is_ours(entry_point)
    }


def list_plugins_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return each group name and the options, of os-vif and of the installed plugins, sorted.

    Plugins of os-vif are not imported. Plugins of other distributions are imported, because only the class
    has the options; a plugin whose import fails is logged at ERROR and left out.
    """
    installed = importlib.metadata.entry_points(group="os_vif")
    ceded_names = ceded(installed)
    listed = {name: list(options) for name, options in IN_TREE.items() if name not in ceded_names}
    for entry_point in installed:
        if entry_point.name in listed or (
            entry_point.name in ceded_names and is_ours(entry_point)
        ):
            continue
        try:
            listed[entry_point.name] = list(entry_point.load().CONFIG_OPTS)
        except Exception as error:
            LOG.error(  # noqa: TRY400 - the traceback is logged at DEBUG
                "The options of os-vif plugin %r cannot be listed: %s",
                entry_point.name,
                described_error(error),
            )
            LOG.debug("Traceback of that failure:", exc_info=error)
    groups = {group: list(options) for group, options in LIBRARY.items()}
    groups |= {f"os_vif_{name}": options for name, options in listed.items()}
    return [(group, copy.deepcopy(options)) for group, options in sorted(groups.items())]


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the groups of :func:`list_plugins_opts`, and those of the privileged daemons, sorted.

    The entry point ``os_vif`` of the group ``oslo.config.opts`` names this function.
    """
    # Programs that only register options need no oslo.privsep.
    from oslo_privsep import priv_context

    groups = dict(list_plugins_opts())
    for group, capabilities in PRIVILEGED.items():
        groups[group] = copy.deepcopy(priv_context.OPTS)
        for option in groups[group]:
            if option.name == "capabilities":
                option.default = list(capabilities)
    return sorted(groups.items())
