# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Checks of the kernel and of programs: the requirements of each plugin."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

from os_vif.host.netlink import uapi
from os_vif.host.netlink.genetlink import Family
from os_vif.host.netlink.messages import CONTROL
from os_vif.host.netlink.netlink_socket import Socket
from os_vif.operations.doctor.finding import Host, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

Result = tuple[str, Status, str, str]

_TIMEOUT = 30


class _Feature(NamedTuple):
    """A feature of a plugin with a requirement on the kernel."""

    plugin: str
    #: Kind of device, or family of generic netlink.
    needs: str
    #: The module of the kernel, for ``modprobe``; empty for a part of the kernel itself.
    module: str
    #: The VIFs with the requirement.
    vifs: str


KINDS = (
    _Feature("linux_bridge", "bridge", "bridge", "VIFBridge"),
    _Feature("linux_bridge", "vlan", "8021q", "VIFBridge in a network with should_provide_vlan"),
    _Feature("ovs", "tun", "tun", "VIFOpenVSwitch with create_tap"),
    _Feature("ovs", "bridge", "bridge", "hybrid VIFs (VIFBridge)"),
    _Feature("ovs", "veth", "veth", "hybrid VIFs (VIFBridge)"),
    _Feature("sriov", "macvtap", "macvtap", "VIFDirect with a macvtap device"),
)
FAMILIES = (
    _Feature("ovs", "ovs_datapath", "openvswitch", "ports of bridges with datapath_type system"),
    _Feature("ovs", "devlink", "", "representors (VIFHostDevice)"),
    _Feature("sriov", "vdpa", "vdpa", "VIFHostDevice with a vDPA device"),
)


def check_devices(host: Host) -> Iterator[Result]:
    """Yield a result for each required kind of device."""
    features = [feature for feature in KINDS if feature.plugin in host.plugins]
    if not features:
        return
    kinds = sorted({feature.needs for feature in features})
    reasons = _reasons_missing(kinds)
    if (error := reasons.get("error")) is not None:
        yield "", Status.SKIPPED, error, "Run `os-vif doctor` as root."
        return
    for kind in kinds:
        users = [feature for feature in features if feature.needs == kind]
        if kind not in reasons:
            found = f"this user may not make a device of the kind {kind}"
            yield kind, Status.SKIPPED, found, "Run `os-vif doctor` as root."
            continue
        reason = reasons[kind]
        if reason is None:
            yield kind, Status.OK, f"the kernel makes devices of the kind {kind}", ""
        else:
            yield (
                kind,
                Status.WARNING,
                f"{reason}; not possible: {_list_vifs(users)}",
                _load(users[0]),
            )


def check_families(host: Host) -> Iterator[Result]:
    """Yield a result for each required family of generic netlink."""
    for feature in FAMILIES:
        if feature.plugin not in host.plugins:
            continue
        family = Family(feature.needs, CONTROL, ())
        try:
            socket = Socket(uapi.NETLINK_GENERIC)
            try:
                family.number(socket)
            finally:
                socket.close()
        except OSError:
            found = f"this kernel has no {feature.needs}; not possible: {_list_vifs([feature])}"
            yield feature.needs, Status.WARNING, found, _load(feature)
        else:
            yield feature.needs, Status.OK, f"the kernel has {feature.needs}", ""


def check_programs(host: Host) -> Iterator[Result]:
    """Yield a result for each required program of the daemon of ``linux_bridge``."""
    plugin = host.plugins.get("linux_bridge")
    if plugin is None:
        return
    answer = host.answers.get("linux_bridge")
    if answer is None:
        yield "", Status.SKIPPED, "the daemon does not start", "See the check daemon-start."
        return
    needed = ("iptables", "ip6tables") if plugin.config.use_ipv6 else ("iptables",)
    for program in needed:
        path = answer["programs"][program]
        if path is not None:
            yield program, Status.OK, path, ""
        else:
            vifs = "VIFBridge of linux_bridge without has_traffic_filtering"
            found = f"the daemon finds no program {program}; not possible: {vifs}"
            yield program, Status.WARNING, found, "Install the package iptables."


def _reasons_missing(kinds: list[str]) -> dict[str, str | None]:
    """Return the reason for each missing kind, or the key ``error``."""
    command = [sys.executable, "-m", "os_vif.operations.doctor.kernel_kinds", *kinds]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command, capture_output=True, text=True, timeout=_TIMEOUT, check=True
        )
        answer: dict[str, str | None] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return {"error": f"the kernel cannot be asked: {error}"}
    return answer


def _list_vifs(features: list[_Feature]) -> str:
    return ", ".join(f"{feature.vifs} of {feature.plugin}" for feature in features)


def _load(feature: _Feature) -> str:
    """Return the advice for a missing module."""
    if not feature.module:
        return "Use a kernel with the option CONFIG_NET_DEVLINK."
    return f"Run `modprobe {feature.module}`, and name it in /etc/modules-load.d/os-vif.conf."
