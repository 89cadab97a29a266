# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The netlink messages of os-vif, each with the defining class of pyroute2.

A message is compiled at first use; importing the module does not load pyroute2.
"""

from __future__ import annotations

from os_vif.host.netlink.codec import Message

_RTNL = "pyroute2.netlink.rtnl"
_SUPPLEMENT = "os_vif.host.netlink.supplement"

LINK = Message(f"{_RTNL}.ifinfmsg", "ifinfmsg")
ADDRESS = Message(f"{_RTNL}.ifaddrmsg", "ifaddrmsg")
ROUTE = Message(f"{_RTNL}.rtmsg", "rtmsg")
NEIGHBOUR = Message(f"{_RTNL}.ndmsg", "ndmsg")
RULE = Message(f"{_RTNL}.fibmsg", "fibmsg")
NEXT_HOP = Message(_SUPPLEMENT, "nhmsg")
NAMESPACE_ID = Message(f"{_RTNL}.nsidmsg", "nsidmsg")
ERROR = Message("pyroute2.netlink", "nlmsgerr")
#: Of generic netlink: the family of families, and the families used here.
CONTROL = Message("pyroute2.netlink", "ctrlmsg")
DEVLINK = Message("pyroute2.netlink.devlink", "devlinkcmd")
VDPA = Message(_SUPPLEMENT, "vdpacmd")


def load() -> None:
    """Load pyroute2 and compile the messages of rtnetlink ahead of the first use."""
    for message in (LINK, ADDRESS, ROUTE, NEIGHBOUR, RULE, NEXT_HOP, NAMESPACE_ID, ERROR):
        message.compile()
