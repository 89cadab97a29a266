# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The options of the plugins, as ``oslo-config-generator --namespace os_vif`` lists them."""

from __future__ import annotations

import copy
import importlib.metadata
import logging

from oslo_config import cfg

LOG = logging.getLogger(__name__)

__all__ = ["list_plugins_opts"]

_MTU = cfg.IntOpt(
    "network_device_mtu",
    default=1500,
    help="MTU, in bytes, of devices of a network that does not say its own.",
    deprecated_group="DEFAULT",
)

LINUX_BRIDGE = (
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

OVS = (
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
    cfg.StrOpt(
        "ovsdb_interface",
        choices=("vsctl", "native"),
        default="native",
        deprecated_for_removal=True,
        deprecated_since="2.2.0",
        help="How to talk to the database of Open vSwitch.",
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


def list_plugins_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Group name and options of every installed plugin, sorted by group.

    No plugin is initialised, and none of this tree is imported. Of a plugin from elsewhere the
    class is imported, as it alone knows its options; if that fails, it is logged and left out.
    """
    listed = {name: list(options) for name, options in IN_TREE.items()}
    for entry_point in importlib.metadata.entry_points(group="os_vif"):
        if entry_point.name in listed:
            continue
        try:
            listed[entry_point.name] = list(entry_point.load().CONFIG_OPTS)
        except Exception:
            LOG.exception("The options of os-vif plugin %r cannot be listed", entry_point.name)
    return [(f"os_vif_{name}", copy.deepcopy(options)) for name, options in sorted(listed.items())]
