# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Pods: network namespaces in ``/run/netns``, and VIFs with addresses."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import os
import pathlib
import socket
import subprocess
from collections.abc import Iterator

from os_vif import objects
from os_vif.objects import kuryr
from os_vif.testing.private_namespaces import run
from tests.support.vifs import bridge_vif

_NUMBERS = itertools.count()
POD = objects.InstanceInfo(uuid="11111111-2222-4333-8444-555555555555", name="default/pod")


@contextlib.contextmanager
def new_pod(name: str | None = None) -> Iterator[str]:
    """Provide a network namespace with a file in ``/run/netns``; yield the path."""
    name = name or f"ov-pod-{os.getpid()}-{next(_NUMBERS)}"
    run(f"ip netns add {name}")
    try:
        yield f"/run/netns/{name}"
    finally:
        if pathlib.Path(f"/run/netns/{name}").exists():
            run(f"ip netns del {name}")


@contextlib.contextmanager
def entered(path: str) -> Iterator[None]:
    """Move this thread into the namespace of a path for the duration of a block."""
    libc = ctypes.CDLL(None, use_errno=True)
    with (
        pathlib.Path("/proc/thread-self/ns/net").open("rb") as own,
        pathlib.Path(path).open("rb") as pod,
    ):
        assert libc.setns(pod.fileno(), 0x40000000) == 0
        try:
            yield
        finally:
            assert libc.setns(own.fileno(), 0x40000000) == 0


def pod_ip(path: str, *arguments: str) -> list[dict]:
    """Return the parsed JSON output of ``ip`` in a pod."""
    command = ["nsenter", f"--net={path}", "ip", "-json", "-details", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout or "[]")


#: ``SO_NO_CHECK`` of asm-generic/socket.h: the datapath of Open vSwitch in user space completes no
#: checksums of a veth device.
_SO_NO_CHECK = 11


def send_datagram(source: str, destination: str, address: str) -> None:
    """Send a UDP datagram from a pod to another pod; raise TimeoutError after 20 seconds."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.ExitStack() as stack:
        with entered(destination):
            receiver = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        with entered(source):
            sender = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        receiver.bind((address, 0))
        if family == socket.AF_INET:
            sender.setsockopt(socket.SOL_SOCKET, _SO_NO_CHECK, 1)
        receiver.settimeout(0.2)
        for _ in range(100):
            sender.sendto(b"os-vif", receiver.getsockname()[:2])
            with contextlib.suppress(TimeoutError):
                assert receiver.recv(16) == b"os-vif"
                return
    raise TimeoutError(address)


def subnet(
    cidr: str,
    *ips: str,
    gateway: str | None = None,
    routes: tuple[tuple[str, str], ...] = (),
    dns: tuple[str, ...] = (),
) -> objects.Subnet:
    """Return a subnet with addresses of a port."""
    values = {} if gateway is None else {"gateway": gateway}
    return objects.Subnet(
        cidr=cidr,
        dns=list(dns),
        ips=objects.FixedIPList(objects=[objects.FixedIP(address=ip) for ip in ips]),
        routes=objects.RouteList(
            objects=[objects.Route(cidr=target, gateway=via) for target, via in routes]
        ),
        **values,
    )


def network_of(*subnets: objects.Subnet, mtu: int = 1400, **more: object) -> objects.Network:
    """Return a network with subnets."""
    return objects.Network(subnets=objects.SubnetList(objects=list(subnets)), mtu=mtu, **more)


def pod_ovs_vif(number: int, *subnets: objects.Subnet, bridge: str = "br-int"):
    """Return a VIF of the plugin ``ovs`` with the addresses of subnets."""
    vif_id = f"{number:08x}-0000-4000-8000-000000000002"
    given = subnets or (subnet("10.9.0.0/24", f"10.9.0.{number + 2}", gateway="10.9.0.1"),)
    return objects.VIFOpenVSwitch(
        id=vif_id,
        address=f"fa:16:3e:00:02:{number:02x}",
        plugin="ovs",
        vif_name=f"tap{number:08x}-00",
        bridge_name=bridge,
        port_profile=objects.VIFPortProfileOpenVSwitch(
            interface_id=vif_id, datapath_type="netdev"
        ),
        network=network_of(*given, bridge=bridge),
    )


def pod_hybrid_vif(number: int) -> objects.VIFBridge:
    """Return a hybrid VIF of the plugin ``ovs``: a Linux bridge between the pod and the switch."""
    vif_id = f"{number:08x}-0000-4000-8000-000000000003"
    name = f"{number:08x}-00"
    return objects.VIFBridge(
        id=vif_id,
        address=f"fa:16:3e:00:03:{number:02x}",
        plugin="ovs",
        vif_name=f"tap{name}",
        bridge_name=f"qbr{name}",
        has_traffic_filtering=True,
        port_profile=objects.VIFPortProfileOpenVSwitch(
            interface_id=vif_id, datapath_type="netdev"
        ),
        network=network_of(subnet("10.9.0.0/24", f"10.9.0.{number + 2}"), bridge="br-int"),
    )


def macvlan_vif(number: int, mtu: int = 1400) -> kuryr.VIFMacvlanNested:
    """Return a VIF of a pod in a virtual machine, as kuryr makes it."""
    return kuryr.VIFMacvlanNested(
        id=f"{number:08x}-0000-4000-8000-000000000001",
        address=f"fa:16:3e:00:01:{number:02x}",
        plugin="noop",
        vif_name="eth0",
        network=network_of(
            subnet("10.8.0.0/24", f"10.8.0.{number + 2}", gateway="10.8.0.1"), mtu=mtu
        ),
    )


def vlan_vif(number: int, vlan: int, mtu: int = 1400) -> kuryr.VIFVlanNested:
    """Return a VIF of a pod in a virtual machine, as kuryr makes it for a port of a trunk."""
    return kuryr.VIFVlanNested(
        id=f"{number:08x}-0000-4000-8000-000000000004",
        address=f"fa:16:3e:00:04:{number:02x}",
        plugin="noop",
        vif_name="eth0",
        vlan_id=vlan,
        network=network_of(
            subnet("10.4.0.0/24", f"10.4.0.{number + 2}", gateway="10.4.0.1"), mtu=mtu
        ),
    )


def pod_bridge_vif(
    number: int, *subnets: objects.Subnet, bridge: str = "brpod"
) -> objects.VIFBridge:
    """Return a VIF of the plugin ``linux_bridge`` with the addresses of subnets."""
    vif = bridge_vif(number, bridge=bridge, mtu=1400)
    given = subnets or (
        subnet("10.7.0.0/24", f"10.7.0.{number + 2}", gateway="10.7.0.1", dns=("10.7.0.9",)),
    )
    vif.network.subnets = objects.SubnetList(objects=list(given))
    return vif


def given_vif(number=1):
    """Return a VIF with addresses and a route, as neutron or kuryr makes it."""
    vif = bridge_vif(number)
    subnet = objects.Subnet(
        cidr="10.66.0.0/24",
        gateway="10.66.0.1",
        dns=["10.66.0.53"],
        ips=objects.FixedIPList(objects=[objects.FixedIP(address=f"10.66.0.{5 + number}")]),
        routes=objects.RouteList(
            objects=[objects.Route(cidr="10.99.0.0/16", gateway="10.66.0.9")]
        ),
    )
    vif.network.subnets = objects.SubnetList(objects=[subnet])
    return vif
