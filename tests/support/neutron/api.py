# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A client of the API of neutron without authentication."""

from __future__ import annotations

import http.client
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

#: For a reply of the server, in seconds. The first requests load modules.
_REPLY_TIMEOUT_S = 120
#: For a port to become ACTIVE or DOWN, in seconds.
_STATUS_TIMEOUT_S = 240
_PROJECT = "os-vif-tests"


class Refused(Exception):
    """The server answered with an HTTP status of 400 or more."""

    def __init__(self, request: str, status: int, text: str) -> None:
        super().__init__(f"{request}: {status} {text}")
        self.status, self.text = status, text


def wait_until(condition: Callable[[], Any], what: str, timeout_s: float) -> Any:
    """Return the first true result of *condition*.

    :param what: the awaited state, for the message of the failure.
    """
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.2)
    return found


class Api:
    """The API at a host and a port."""

    def __init__(self, host: str = "127.0.0.1", port: int = 9696) -> None:
        self.host, self.port = host, port

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Send a request; return the parsed reply, or None for an empty reply.

        :param body: the body; None sends an empty body, which is not the same as ``{}``.
        :raises Refused: the server refused the request.
        """
        connection = http.client.HTTPConnection(self.host, self.port, timeout=_REPLY_TIMEOUT_S)
        try:
            text = None if body is None else json.dumps(body)
            headers = {"Content-Type": "application/json"}
            connection.request(method, f"/v2.0/{path}", text, headers)
            reply = connection.getresponse()
            content = reply.read().decode()
        finally:
            connection.close()
        if reply.status >= http.client.BAD_REQUEST:
            raise Refused(f"{method} {path}", reply.status, content)
        return json.loads(content) if content else None

    def create(self, kind: str, **fields: object) -> dict[str, Any]:
        """Create a resource, such as ``port`` or ``security_group``, and return the fields."""
        path = f"{kind}s".replace("_", "-")
        return self.call("POST", path, {kind: {"project_id": _PROJECT, **fields}})[kind]

    def create_network(self, cidr: str = "10.9.0.0/24") -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a new network and its subnet without DHCP, with a host route."""
        network = self.create("network", name="guests")
        subnet = self.create(
            "subnet",
            network_id=network["id"],
            cidr=cidr,
            ip_version=4,
            enable_dhcp=False,
            dns_nameservers=["192.0.2.53"],
            host_routes=[
                {"destination": "198.51.100.0/24", "nexthop": cidr.replace(".0/24", ".9")}
            ],
        )
        return network, subnet

    def create_open_group(self) -> str:
        """Return the id of a new security group that permits all of IPv4.

        The default group has no rules, because a migration of the database would create them.
        """
        group = self.create("security_group", name="open")
        for rule in group["security_group_rules"]:
            self.call("DELETE", f"security-group-rules/{rule['id']}")
        for direction in ("ingress", "egress"):
            self.create(
                "security_group_rule",
                security_group_id=group["id"],
                direction=direction,
                ethertype="IPv4",
            )
        return group["id"]

    def create_port(self, network: dict[str, Any], host: str, **fields: object) -> dict[str, Any]:
        """Return a new port of an instance, bound to a host."""
        instance = {"device_owner": "compute:nova", "device_id": str(uuid.uuid4())}
        given = {"network_id": network["id"], "binding:host_id": host, **instance}
        return self.create("port", **given | fields)

    def port_of(self, port: dict[str, Any]) -> dict[str, Any]:
        """Return the present fields of a port."""
        return self.call("GET", f"ports/{port['id']}")["port"]

    def delete_port(self, port: dict[str, Any]) -> None:
        self.call("DELETE", f"ports/{port['id']}")

    def await_status(self, status: str, *ports: dict[str, Any]) -> None:
        """Wait until all of the ports have a status."""
        wanted = {port["id"] for port in ports}

        def done() -> bool:
            found = self.call("GET", "ports?fields=id&fields=status")["ports"]
            return wanted <= {port["id"] for port in found if port["status"] == status}

        wait_until(done, f"ports {sorted(wanted)} are {status}", _STATUS_TIMEOUT_S)
