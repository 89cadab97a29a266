# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""A public release that plugs beside this checkout, in a separate process."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess

from os_vif import objects
from os_vif.objects.versioning import history
from os_vif.testing.host_snapshots import ip
from testbed import ovs
from testbed.environments import Subject

PROGRAM = pathlib.Path(__file__).with_name("foreign_plug.py")
SYSFS = ("class/net", "bus/pci/devices")
#: Requirements of the public plugin ``ovs``, which is loaded too.
OVS_PINS = "ovs==4.0.0\novsdbapp==3.0.0\nsortedcontainers==2.4.0\n"
SBIN = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


class Public:
    """A public release, which reads VIFs as stored by a program."""

    def __init__(
        self,
        release: str,
        python: pathlib.Path,
        subject: Subject,
        scratch: pathlib.Path,
        instance: objects.InstanceInfo,
    ) -> None:
        self._release, self._python, self._subject = release, python, subject
        self._scratch, self._instance = scratch, instance
        self._configuration = scratch / "program.conf"
        #: The root of the sysfs for the release, in place of the sysfs of the kernel.
        self.sysfs: pathlib.Path | None = None

    def configure(self, sections: dict[str, dict[str, object]]) -> None:
        """Write the configuration of the release; the daemon is from the environment of the
        release.
        """
        lines = [
            line
            for section, options in sections.items()
            for line in (f"[{section}]", *(f"{name} = {value}" for name, value in options.items()))
        ]
        self._configuration.write_text("\n".join(lines), encoding="utf-8")

    @property
    def helper(self) -> pathlib.Path:
        return self._python.with_name("privsep-helper")

    def plug(self, vif: objects.VIFBase) -> None:
        self.run("plug", vif)

    def unplug(self, vif: objects.VIFBase) -> None:
        self.run("unplug", vif)

    def _seeing(self) -> list[str]:
        if self.sysfs is None:
            return []
        mounts = [f"mount --bind {self.sysfs}/{part} /sys/{part}" for part in SYSFS]
        return ["unshare", "--mount", "sh", "-c", " && ".join([*mounts, 'exec "$0" "$@"'])]

    def run(self, action: str, vif: objects.VIFBase) -> None:
        manifest = history.manifest(self._release)
        stored = self._scratch / "stored.json"
        of = {"vif": vif, "instance": self._instance}
        written = {k: o.obj_to_primitive(version_manifest=manifest) for k, o in of.items()}
        stored.write_text(json.dumps(written), encoding="utf-8")
        done = subprocess.run(
            [*self._seeing(), self._python, "-P", PROGRAM, action, stored, self._configuration],
            # The daemon has the same module path, and finds the same os_vif.
            env={"PATH": SBIN, "HOME": self._scratch, "PYTHONPATH": self._subject.path},
            cwd=self._scratch,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [str(self._subject.path / "os_vif" / "__init__.py")]


RELEASE = (
    "os-vif==4.3.1 --hash=sha256:d39710449bd8fe61e754d2a7ef31b4ba647e448fbac71f17b0d2ef17c838d688"
)


def without_owner(found: list[str]) -> list[str]:
    """Return differences without the owner of a port of ours, which the public os-vif lacks."""
    return [line for line in found if "/external_ids/os-vif-owner: None became " not in line]


def switch_content(switch: ovs.Switch) -> dict:
    """Return the content of the switch, without marks and without values of a single device."""
    links = {}
    own = switch.internal | {"lo"}
    for link in ip("link"):
        name = link["ifname"]
        if name in own:
            continue
        keys = ("forward_delay", "stp_state", "mcast_snooping", "ageing_time", "multi_queue")
        info = link.get("linkinfo", {})
        links[name] = {
            "kind": info.get("info_kind"),
            "mtu": link["mtu"],
            "master": link.get("master"),
            "flags": sorted(f for f in link["flags"] if f in ("UP", "PROMISC")),
            **{key: info.get("info_data", {}).get(key) for key in keys},
            **{
                key: pathlib.Path(f"/proc/sys/net/{family}/conf/{name}/{key}").read_text()
                for family, key in (
                    ("ipv6", "disable_ipv6"), ("ipv4", "arp_ignore"), ("ipv4", "arp_announce"),
                )
            },
        }  # fmt: skip
    return {**links, "switch": switch.dump()}
