# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Valid and invalid values for the rules of the bridge ``br0``."""

from __future__ import annotations

GOOD, BAD = (
    (
        (),
        (("br0", "", "DROP"),),
        [["x", "br0", "ACCEPT"]],
        (("br0", "br0", "a" * 28), ("eth+", "br0", "REJECT")),
        (("br0", "", "DROP"),) * 1024,
        None,
    ),
    (
        "-A os-vif-br0 -i br0 -j DROP",
        "",
        (None,),
        (True,),
        ("br0", "", "DROP"),
        # The line is no rule.
        ("-A os-vif-br0 -i br0 -j DROP",),
        (b"br0",),
        7,
        True,
        {},
        ((),),
        (("br0", "DROP"),),
        (("br0", "", "DROP", ""),),
        (({"br0": ""}, "", "DROP"),),
        ((b"br0", "", "DROP"),),
        ((None, "br0", "DROP"),),
        (("br0", 1, "DROP"),),
        (("br0", "", ["DROP"]),),
        # Rules without the bridge, or without a target.
        (("", "", "ACCEPT"),),
        (("x", "", "ACCEPT"),),
        (("br1", "br2", "ACCEPT"),),
        (("br0", "", ""),),
        # Options, complete and abbreviated, and texts that iptables-restore reads as a further
        # line.
        (("br0", "", "--modprobe=/tmp/x"),),
        (("br0", "", "DROP --mo /tmp/x"),),
        (("br0", "--insert INPUT", "DROP"),),
        (("br0", "-j", "DROP"),),
        (("br0", "x -j ACCEPT", "DROP"),),
        (("br0", "", "DROP\n-F INPUT"),),
        (("br0", "x\nCOMMIT\n*nat", "DROP"),),
        (("br0", "'open", "DROP"),),
        (("br0", "", "DROP" + " " * 10239 + "--insert INPUT -j ACCEPT"),),
        (("br0", "", "x" * 29),),
        (("br0", "x" * 16, "DROP"),),
        (("br0", "", "DROP"),) * 1025,
        (("br0", "", "DROP"), ("", "", "DROP")),
    ),
)
