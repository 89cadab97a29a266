# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Valid and invalid values for the fields of steps."""

from __future__ import annotations

from typing import Any, NamedTuple


class Kind(NamedTuple):
    """Valid and invalid values for fields of a kind."""

    good: tuple[Any, ...]
    bad: tuple[Any, ...]


def optional(kind: Kind) -> Kind:
    return Kind((*kind.good, None), tuple(value for value in kind.bad if value is not None))


def integer(low: int, high: int) -> Kind:
    middle = (low + high) // 2
    texts = (str(middle), str(middle).encode(), "", "1; id")
    others = (None, True, False, float(middle), float("nan"), [middle], {middle: middle})
    return Kind((low, middle, high), (low - 1, high + 1, -(2**70), 2**70, *texts, *others))


#: Values of no kind but flags and numbers.
_NO_TEXT = (None, True, False, 0, 7, 1.5, b"eth0", ["eth0"], ("eth0",), {"eth0": "eth0"})


_NO_LINE = ("a\nb", "a\n", "\n", "a\rb", "a\0", "\x1b[2J", "a\u2028b", "\ud800", "a\x7f")


DEVICE = Kind(
    ("a", "x" * 15, "é" * 7, "eth0.100", "tap-1_b@c", "...", "All", "a+", "123"),
    (
        "",
        ".",
        "..",
        "all",
        "default",
        "a/b",
        "/",
        "x" * 16,
        "é" * 8,
        "a b",
        " a",
        "a\t",
        "a\u00a0b",
        "br%d",
        "%",
        "a:b",
        "eth0:1",
        *_NO_LINE,
        *_NO_TEXT,
    ),
)


BOOLEAN = Kind((True, False), (None, 0, 1, 1.0, "", "yes", "True", b"\1", [True], (), {}))


def line(longest: int) -> Kind:
    good = ("", "x" * longest, "é" * (longest // 2), "a b", "it's")
    return Kind(good, ("x" * (longest + 1), "é" * (longest // 2 + 1), *_NO_LINE, *_NO_TEXT))


#: Hexadecimal digits of whole bytes.
PACKED = Kind(
    ("", "00", "0123456789abcdef", "00" * 4096),
    ("0", "0A", "0g", "00\n", "00" * 4097, None, 7, True, b"00", ["00"]),
)
PCI = Kind(
    ("0000:03:00.2", "ffff:ff:1f.7", "10000:e1:00.2", "ffffffff:ff:1f.7"),
    ("", "03:00.2", "0000:03:00.8", "0000:03:20.0", "010000:e1:00.2", "100000000:e1:00.2", "0000:0A:00.2", "0000:03:00", "../0000:03:00.2",
     "0000:03:00.2\n", "0000:03:00:2", *_NO_TEXT),
)  # fmt: skip
VDPA = Kind(
    ("vdpa0", "a.b_c:d-e", "x" * 64), ("", "x" * 65, "a/b", "a b", "a;b", *_NO_LINE, *_NO_TEXT)
)
MANAGEMENT = Kind(
    ("vdpasim_net", "pci/0000:03:00.2", "auxiliary/mlx5_core.sf.4"),
    ("", "/", "pci/", "/a", "a/b/c", "a b", "x" * 65, *_NO_LINE, *_NO_TEXT),
)
PROTOCOL = Kind(("802.1Q", "802.1ad"), ("", "802.1q", "802.1AD", "8100", *_NO_TEXT))
LINK_STATE = Kind(("auto", "enable", "disable"), ("", "up", "AUTO", "auto\n", *_NO_TEXT))

METRICS = Kind(
    ("", "mtu 1400", "mtu lock 1400 hoplimit 64", "features ecn congctl bbr", "rtt 4294967295"),
    (
        " ", "mtu", "mtu lock", "mtu 01400", "mtu 4294967296", "mtu -1", "mtu 1400 ", " mtu 1400",
        "mtu  1400", "MTU 1400", "hoplimit 64 mtu 1400", "mtu 1 mtu 1", "features 1", "src 1",
        "congctl a/b", "congctl ", "congctl " + "x" * 16, "hoplimit lock 3", "mtu 1400\n",
        "mtu 1 " * 1000, *_NO_TEXT,
    ),
)  # fmt: skip
