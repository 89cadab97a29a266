# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Options of the plugin, in the group ``[os_vif_vxlan]``."""

from oslo_config import cfg

OPTIONS = (
    cfg.IPOpt("local", help="Address of this host for the tunnels. Default: the kernel chooses."),
    cfg.IPOpt(
        "remote",
        default="239.1.1.1",
        help="Address of the other host, or a multicast group of all hosts.",
    ),
    cfg.StrOpt("link", help="Device of this host in the network below; required for a group."),
    cfg.IntOpt(
        "first_vni",
        default=10000,
        min=0,
        max=2**24 - 4096,
        help="The network identifier of a network is this number and the VLAN of the network.",
    ),
)
