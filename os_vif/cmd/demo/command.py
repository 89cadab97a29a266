# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command that shows the whole life of VIFs, for real, on a host of its own."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from typing import TYPE_CHECKING, TextIO

from cliff import command
from oslo_serialization import jsonutils

import os_vif
from os_vif import objects, serialization
from os_vif.cmd import exit_codes, main, streams
from os_vif.cmd.demo.stage import ADDRESSES, INSTANCE, DemoError, Stage, unplugged_on_error

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Netlink
    from os_vif.testing.guests import Guest

_BRIDGE = "brq-demo"
_MTU = 1450
#: Says to the demo that it is in a namespace of its own.
_INSIDE = "OS_VIF_DEMO_INSIDE"

#: How to get a network namespace: as root, or as an ordinary user inside a user namespace.
_AS_ROOT = ("unshare", "--net", "--")
#: /run is not an ordinary user's, and os-vif keeps its record there.
_AS_USER = (
    *("unshare", "--user", "--map-root-user", "--net", "--mount", "--"),
    *("sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh"),
)


class Demo(main.Escaping, command.Command):
    """Plug real VIFs in a private network namespace, look at them, and unplug them."""

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        debug = bool(self.app_args and self.app_args.debug)
        if _INSIDE in os.environ:
            try:
                _Show(self.app.stdout).run()
            except (DemoError, OSError, os_vif.exception.ExceptionBase) as error:
                if debug or streams.reader_is_gone():
                    raise
                print(f"\nThe demo failed: {error}", file=sys.stderr)
                return exit_codes.EXIT_FAILED
            return 0
        prefix, missing = _namespace()
        if prefix is None:
            _Show(self.app.stdout).without_rights()
            print(f"\nNothing was plugged: {missing}", file=sys.stderr)
            return exit_codes.EXIT_FAILED
        own = [sys.executable, "-m", "os_vif.cmd.main", *(["--debug"] * debug)]
        self.app.stdout.flush()
        environment = os.environ | {_INSIDE: "1"}
        return subprocess.run([*prefix, *own, "demo"], check=False, env=environment).returncode


def _namespace() -> tuple[tuple[str, ...] | None, str]:
    """The command that opens a network namespace; or None, and the right that is missing."""
    said = []
    for prefix in (_AS_ROOT, _AS_USER) if os.geteuid() == 0 else (_AS_USER,):
        try:
            tried = subprocess.run([*prefix, "true"], check=False, capture_output=True, text=True)
        except FileNotFoundError:
            return None, "there is no unshare(1); Debian's package util-linux has it."
        if tried.returncode == 0:
            return prefix, ""
        said.append(f"{' '.join(prefix[: prefix.index('--')])}: {tried.stderr.strip()}")
    return None, (
        "a private network namespace needs CAP_SYS_ADMIN and CAP_NET_ADMIN, or a user namespace "
        "(sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone).\n" + "\n".join(said)
    )


def _vif(number: int) -> objects.VIFBridge:
    return objects.VIFBridge(
        id=f"{number}0000000-0000-4000-8000-000000000000",
        address=f"fa:16:3e:00:00:0{number}",
        plugin="linux_bridge",
        vif_name=f"tapdemo-{number}",
        bridge_name=_BRIDGE,
        has_traffic_filtering=True,
        network=objects.Network(
            id="a0000000-0000-4000-8000-000000000000",
            bridge=_BRIDGE,
            label="demo",
            mtu=_MTU,
            should_provide_bridge=True,
        ),
    )


class _Show(Stage):
    """The acts of the demo."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self.vifs = (_vif(1), _vif(2))

    def without_rights(self) -> None:
        self.act("A VIF, as a document")
        stored = self.vifs[0].obj_clone()
        stored.obj_reset_changes(recursive=True)
        self.say(jsonutils.dumps(jsonutils.loads(serialization.dumps(stored)), indent=2))
        self.act("The same as an object of oslo.versionedobjects, which 1.x wrote")
        self.say(serialization.dumps(stored, form="ovo"))
        self.act("What plugging it would do")
        self.say(os_vif.plan(self.vifs[0], INSTANCE))

    def run(self) -> None:
        # Every command loads this file; only this one needs netlink.
        from os_vif.cmd.demo import ovs_demo
        from os_vif.host.netlink import rtnetlink

        self.without_rights()
        with rtnetlink.opened() as net:
            before = net.links()
            self.bridge(net)
            ovs_demo.show(self, net)
            self.act("In the end")
            left = {link.name for link in net.links()} - {link.name for link in before}
            if left:
                raise DemoError(f"left behind: {', '.join(sorted(left))}")
            self.say("Nothing is left.")

    def bridge(self, net: Netlink) -> None:
        from os_vif.testing.guests import Guest

        self.act("Plug two VIFs, through the privileged daemon")
        with unplugged_on_error(self.vifs):
            for vif in self.vifs:
                os_vif.plug(vif, INSTANCE)
                self.say(f"plugged {vif.vif_name}")
            with Guest() as first, Guest() as second:
                self.play((first, second), net)
            self.act("Unplug")
            for vif in self.vifs:
                os_vif.unplug(vif, INSTANCE)
                self.say(f"unplugged {vif.vif_name}")

    def play(self, guests: tuple[Guest, Guest], net: Netlink) -> None:
        from os_vif.testing.guests import Hypervisor

        self.act("The demo plays the hypervisor: a guest on each VIF (a namespace, a veth as tap)")
        with Hypervisor() as hypervisor:
            for vif, guest, address in zip(self.vifs, guests, ADDRESSES, strict=True):
                hypervisor.attach(guest, vif, f"{address}/24")
                self.say(f"{vif.vif_name} leads to a guest with {address}")
            self.ping(guests[0])
            self.act("What is there now")
            self.tree(net)
            self.disturb(net)
            self.ping(guests[0])

    def disturb(self, net: Netlink) -> None:
        self.act("Somebody changes the bridge; check finds it, and plugging again mends it")
        self.is_plugged(self.vifs[0])
        self.say(f"$ ip link set {_BRIDGE} mtu 1300 down")
        net.set(net.require(_BRIDGE), mtu=1300, up=False)
        self.mended(self.vifs[0], {"MTU", "state"})
