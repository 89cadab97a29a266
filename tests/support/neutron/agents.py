# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Neutron with ML2/OVS and RabbitMQ, and two hosts with the real neutron-openvswitch-agent.

The first host is the network namespace of the caller, with the firewall driver ``openvswitch``, and
with RabbitMQ and the servers of neutron. The second host is a :class:`Box` with the firewall driver
``iptables_hybrid``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from os_vif import objects
from os_vif.testing.private_namespaces import run
from testbed import ovs
from testbed.environments import Subject
from tests.support.interop import rabbitmq_server
from tests.support.neutron.api import Api, wait_until
from tests.support.neutron.box import PRIVATE_SYSFS, Box, running_box
from tests.support.neutron.server import Neutron

FIRST, SECOND = "host-a", "host-b"
_FIRST_ADDRESS, _SECOND_ADDRESS = "10.200.0.1", "10.200.0.2"
#: Programs that the agent calls, with their Debian packages.
_PROGRAMS = {"iptables-save": "iptables", "ipset": "ipset", "conntrack": "conntrack"}
#: For an agent to report its state, in seconds.
_AGENT_TIMEOUT_S = 400


def missing_requirement() -> str | None:
    """Return the reason why the hosts cannot be started here, or None."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    for program, package in _PROGRAMS.items():
        if shutil.which(program, path=path) is None:
            return f"needs the Debian package {package}: there is no {program}"
    if shutil.which("cc") is None:
        return "needs a C compiler (cc), for uwsgi"
    return ovs.missing_requirement() or rabbitmq_server.missing_requirement()


class BoxSwitch(ovs.Switch):
    """A switch in a box."""

    def __init__(self, directory: Path, box: Box) -> None:
        super().__init__(directory)
        self._box = box

    def run_program(self, *command: str) -> str:
        return super().run_program(*self._box.command(*command))


@dataclass(frozen=True)
class Hosts:
    """The API of neutron, and the hosts."""

    api: Api
    switch: ovs.Switch
    second_switch: ovs.Switch
    second: Box
    #: The configuration and the environment of the servers.
    neutron: Neutron


@contextlib.contextmanager
def running_hosts(python: Path, subject: Subject, folder: Path) -> Iterator[Hosts]:
    """Run RabbitMQ, neutron, and an agent on each host during a block.

    :param python: the Python of :func:`tests.support.neutron.server.environment`.
    """
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(rabbitmq_server.running_rabbitmq(folder / "rabbitmq"))
        for name in ("box", FIRST, SECOND):
            (folder / name).mkdir()
        box = stack.enter_context(running_box(folder / "box"))
        run(
            f"ip link add name up-b type veth peer name up-a netns {box.pid} && "
            f"ip addr add {_FIRST_ADDRESS}/24 dev up-b && ip link set up-b up"
        )
        box.run("ip", "addr", "add", f"{_SECOND_ADDRESS}/24", "dev", "up-a")
        box.run("ip", "link", "set", "up-a", "up")
        switch = stack.enter_context(ovs.Switch(folder / FIRST))
        second_switch = stack.enter_context(BoxSwitch(folder / SECOND, box))
        first = _configure(
            python, subject, folder / "first", FIRST, url, _FIRST_ADDRESS, "openvswitch", switch
        )
        second_url = url.replace("127.0.0.1", _FIRST_ADDRESS)
        second = _configure(
            *(python, subject, folder / "second", SECOND, second_url, _SECOND_ADDRESS),
            *("iptables_hybrid", second_switch),
        )
        first.create_database()
        api = stack.enter_context(first.running_api())
        server = [str(python), "-m", "neutron_rpc_server", *first.options()]
        processes = [(first, "rpc", server)]
        for neutron, wrap in ((first, PRIVATE_SYSFS), (second, box.command())):
            processes.append(
                (neutron, "agent", [*wrap, *neutron.command("neutron-openvswitch-agent")])
            )
        running = [
            (neutron, name, stack.enter_context(neutron.running(command, name)))
            for neutron, name, command in processes
        ]

        def alive() -> bool:
            for neutron, name, process in running:
                neutron.check(process, name)
            agents = api.call("GET", "agents")["agents"]
            return {FIRST, SECOND} <= {agent["host"] for agent in agents if agent["alive"]}

        wait_until(alive, f"the agents; {folder}", _AGENT_TIMEOUT_S)
        for each in (switch, second_switch):
            # The agent has created the bridge before, and then deletes the flows of unknown ports.
            wait_until(
                lambda each=each: _is_ready(each), "the flows of an agent", _AGENT_TIMEOUT_S
            )
        yield Hosts(api, switch, second_switch, box, first)


def _is_ready(switch: ovs.Switch) -> bool:
    """Return whether the agent has created the integration bridge."""
    return "br-int" in switch.vsctl("list-br").split()


def _configure(
    python: Path,
    subject: Subject,
    folder: Path,
    host: str,
    url: str,
    address: str,
    firewall: str,
    switch: ovs.Switch,
) -> Neutron:
    """Write the configuration of a host."""
    neutron = Neutron(
        python,
        subject,
        folder,
        {
            "DEFAULT": {
                "service_plugins": "trunk,segments",
                "transport_url": url,
                "host": host,
            },
        },
        {
            "ml2": {
                "type_drivers": "local,flat",
                "tenant_network_types": "local",
                "mechanism_drivers": "openvswitch",
                "extension_drivers": "port_security",
            },
            "securitygroup": {"firewall_driver": firewall},
            "ovs": {
                "datapath_type": "netdev",
                "ovsdb_connection": switch.connection,
                "local_ip": address,
                # An agent that loses the switch while the bridge is created ends.
                "of_inactivity_probe": 0,
                "ovsdb_timeout": 120,
            },
            "agent": {"polling_interval": 1},
        },
    )
    # The agent calls ovs-vsctl at the default socket.
    neutron.environ["OVS_RUNDIR"] = str(Path(switch.connection.removeprefix("unix:")).parent)
    return neutron


def os_vif_command(hosts: Hosts, *arguments: object, expected: int = 0) -> str:
    """Run the command os-vif on the second host, and return the output."""
    configuration = hosts.neutron.folder / "os-vif.conf"
    configuration.write_text(
        f"[os_vif_ovs]\novsdb_connection = {hosts.second_switch.connection}\n"
    )
    return hosts.second.run(
        *(sys.executable, "-m", "os_vif.cmd.main", "--config-file", configuration, *arguments),
        expected=expected,
    )


def guest_device(box: Box, name: str, bridge: str) -> None:
    """Create a device in place of a tap device, and add the device to a bridge as libvirt does."""
    box.run("ip", "link", "add", name, "type", "veth", "peer", "name", f"g{name}"[:15])
    box.run("ip", "link", "set", name, "master", bridge, "up")


def port_tag(switch: ovs.Switch, vif: objects.VIFBase) -> str:
    """Return the VLAN that the agent has given to the port of a VIF, or ``[]``."""
    arguments = (
        "--bare",
        "--columns=name",
        "find",
        "Interface",
        f"external_ids:iface-id={vif.id}",
    )
    return switch.vsctl("get", "Port", switch.vsctl(*arguments), "tag")


def report_agent(hosts: Hosts, folder: Path, state: dict[str, object]) -> None:
    """Report the state of an agent to neutron, by RabbitMQ."""
    file = folder / "state.json"
    file.write_text(json.dumps(state), encoding="utf-8")
    neutron = hosts.neutron
    command = [str(neutron.python), "-m", "os_vif_agent", str(file), *neutron.options()]
    with neutron.running(command, "os-vif-agent") as process:
        process.wait(_AGENT_TIMEOUT_S)
        assert process.returncode == 0, neutron.output("os-vif-agent")
