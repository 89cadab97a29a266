# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The options of the plugins, as ``oslo-config-generator --namespace os_vif`` lists them.

An option that a configuration file sets to nothing (``ovs_vsctl_timeout =``) has its default.
"""

from __future__ import annotations

import copy
import importlib.metadata
import logging
from collections.abc import Iterable
from typing import Any

from oslo_config import cfg, types

from os_vif.escape import described_error

LOG = logging.getLogger(__name__)

__all__ = ["list_plugins_opts"]


class EmptyText(str):
    """The default of a text option that a file sets to nothing, for who must tell it apart."""

    __slots__ = ()


class _DefaultIfEmpty:
    """A mixin for types of oslo.config: empty text is converted to the default."""

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
    """Give options their default where a configuration file sets them to nothing.

    An option with several values (``MultiStrOpt``) is left to its plugin, which sees all values.
    """
    for option in options:
        kind = _TYPES.get(type(option.type))
        if kind is not None:
            # The type keeps its limits and choices.
            changed: Any = option.type
            changed.__class__, changed.default = kind, option.default
    return options


_MTU = cfg.IntOpt(
    "network_device_mtu",
    default=1500,
    help="MTU, in bytes, of devices of a network that does not say its own.",
    deprecated_group="DEFAULT",
)

LINUX_BRIDGE = _default_if_empty(
    _MTU,
    cfg.StrOpt(
        "flat_interface",
        help="Uplink of every bridge, in place of the one that its network names.",
        deprecated_group="DEFAULT",
    ),
    cfg.StrOpt(
        "vlan_interface",
        help="Device that every VLAN is made on, in place of the one that its network names.",
        deprecated_group="DEFAULT",
    ),
    cfg.BoolOpt(
        "use_ipv6",
        default=False,
        help="Make forwarding rules for IPv6 too.",
        deprecated_group="DEFAULT",
    ),
    cfg.MultiStrOpt(
        "forward_bridge_interface",
        default=["all"],
        help="A device that a bridge may forward from and to; may be repeated, and 'all' is any.",
        deprecated_group="DEFAULT",
    ),
    cfg.StrOpt(
        "iptables_drop_action",
        default="DROP",
        help="Target, or chain of iptables, of packets that a bridge may not forward.",
        deprecated_group="DEFAULT",
    ),
    cfg.StrOpt(
        "iptables_top_regex",
        default="",
        help="Regular expression of rules, as iptables-save shows them, that stay above ours.",
        deprecated_group="DEFAULT",
    ),
    cfg.StrOpt(
        "iptables_bottom_regex",
        default="",
        help="Regular expression of rules, as iptables-save shows them, that stay below ours.",
        deprecated_group="DEFAULT",
    ),
)

OVS = _default_if_empty(
    _MTU,
    cfg.IntOpt(
        "ovs_vsctl_timeout",
        default=120,
        help="Seconds that all which a plug or an unplug asks of Open vSwitch may take; 0 waits for "
        "ever. To take back what it has done, it has ten more.",
        deprecated_group="DEFAULT",
    ),
    cfg.BoolOpt(
        "wait_for_vswitchd",
        default=True,
        help="Return when ovs-vswitchd has carried out a change. If not, a plug returns when the "
        "database has it: the port may open later, or never, and nobody is told.",
    ),
    cfg.StrOpt(
        "ovsdb_connection",
        default="tcp:127.0.0.1:6640",
        help="Where ovsdb-server listens, as in ovsdb(7): unix:PATH, tcp:HOST:PORT or "
        "ssl:HOST:PORT. HOST is an IP address. Servers of one cluster are separated by commas.",
    ),
    cfg.StrOpt(
        "ssl_key_file",
        help="Private key, in PEM, that an ssl: server in ovsdb_connection is shown.",
    ),
    cfg.StrOpt(
        "ssl_cert_file",
        help="Certificate of that key, in PEM.",
    ),
    cfg.StrOpt(
        "ssl_ca_cert_file",
        help="Certificate, in PEM, of the authority that an ssl: server has its own from. If none "
        "of the three is set, those that the program has set for python-ovs are used.",
    ),
    cfg.BoolOpt(
        "ssl_check_hostname",
        default=False,
        help="Require that the certificate of an ssl: server is for the server: for the IP address "
        "in ovsdb_connection, or for the name in ssl_server_name, as a subjectAltName. If not, the "
        "server may have any certificate of the authority, as everywhere in Open vSwitch.",
    ),
    cfg.StrOpt(
        "ssl_server_name",
        help="DNS name or IP address that the certificate of an ssl: server has to be for, in place "
        "of the IP address in ovsdb_connection. If it is set, ssl_check_hostname is on.",
    ),
    cfg.StrOpt(
        "ovsdb_interface",
        choices=("vsctl", "native"),
        default="native",
        help="Who opens a unix: socket in ovsdb_connection. With native, this process does. With "
        "vsctl, the privileged daemon opens a socket that this process may not open, and hands it "
        "over; an empty ovsdb_connection then is unix:/run/openvswitch/db.sock.",
    ),
    cfg.BoolOpt(
        "isolate_vif",
        default=False,
        help="Keep a new port in the dead VLAN until the ML2/OVS agent has wired it. Not for "
        "other mechanism drivers: nothing would ever take the port out again.",
    ),
    cfg.BoolOpt(
        "per_port_bridge",
        default=False,
        help="Give each new port a bridge of its own, patched to the integration bridge.",
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
        help="QoS type of a new port of the kernel datapath; linux-noop leaves its qdisc alone.",
    ),
)

#: The plugins of this tree and their options.
IN_TREE: dict[str, tuple[cfg.Opt, ...]] = {
    "linux_bridge": LINUX_BRIDGE,
    "noop": (),
    "ovs": OVS,
    "sriov": (),
}


#: Names of plugins of this tree that the public os-vif never had. Another distribution may have
#: registered a plugin of such a name long ago, as kuryr-kubernetes 0.6.0 to 6.0.1 did.
LATE_NAMES = frozenset({"sriov"})


def is_ours(entry_point: importlib.metadata.EntryPoint) -> bool:
    """Return whether an entry point names a class of this tree."""
    return entry_point.value.startswith("os_vif.")


def ceded(entry_points: Iterable[importlib.metadata.EntryPoint]) -> dict[str, str]:
    """Return the names that plugins of this tree leave to other distributions.

    :returns: the entry point of the other distribution, by name.
    """
    return {
        entry_point.name: entry_point.value
        for entry_point in entry_points
        if entry_point.name in LATE_NAMES and not is_ours(entry_point)
    }


def list_plugins_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Group name and options of every installed plugin, sorted by group.

    No plugin is initialised, and none of this tree is imported. Of a plugin from elsewhere the
    class is imported, as it alone knows its options; if that fails, it is logged and left out.
    """
    installed = importlib.metadata.entry_points(group="os_vif")
    taken = ceded(installed)
    listed = {name: list(options) for name, options in IN_TREE.items() if name not in taken}
    for entry_point in installed:
        if entry_point.name in listed or (entry_point.name in taken and is_ours(entry_point)):
            continue
        try:
            listed[entry_point.name] = list(entry_point.load().CONFIG_OPTS)
        except Exception as error:
            LOG.error(  # noqa: TRY400 - the traceback follows, at a level of its own
                "The options of os-vif plugin %r cannot be listed: %s",
                entry_point.name,
                described_error(error),
            )
            LOG.debug("Traceback of that failure:", exc_info=error)
    return [(f"os_vif_{name}", copy.deepcopy(options)) for name, options in sorted(listed.items())]
