# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Options of the plugin, in the group ``[os_vif_vrf]``."""

from oslo_config import cfg

OPTIONS = (
    cfg.DictOpt(
        "tables",
        default={},
        help="Number of the routing table of each VRF, such as vrf-red:100,vrf-blue:101.",
    ),
)
