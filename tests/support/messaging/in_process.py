# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""An RPC server in this process, by default on the transport ``fake://`` of oslo.messaging."""

from __future__ import annotations

import contextlib
import itertools
import logging
from typing import TYPE_CHECKING, Any

import pytest
from oslo_config import cfg

if TYPE_CHECKING:
    from collections.abc import Iterator

oslo_messaging = pytest.importorskip("oslo_messaging", reason="needs os-vif[messaging]")

_topics = itertools.count()


class Endpoint:
    """The methods of the server. Each call is recorded."""

    def __init__(self) -> None:
        self.received: list[Any] = []

    def echo(self, ctxt: dict[str, Any], entity: Any) -> Any:
        self.received.append(entity)
        return entity

    def give(self, ctxt: dict[str, Any]) -> Any:
        """Return the last object of ``received``."""
        return self.received.pop()


class Exchange:
    """A running server, and clients of the server."""

    def __init__(self, transport: Any, topic: str, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.topic = topic
        self._transport = transport

    def client(self, serializer: Any = None, topic: str | None = None) -> Any:
        """Return a client of the server, or of a server with a different topic."""
        target = oslo_messaging.Target(topic=topic or self.topic, version="1.0")
        return oslo_messaging.get_rpc_client(
            self._transport, target, serializer=serializer, timeout=60
        )

    def call(self, method: str, *, serializer: Any = None, **arguments: Any) -> Any:
        return self.client(serializer).call({}, method, **arguments)

    def echo(self, entity: Any, serializer: Any = None) -> Any:
        return self.call("echo", serializer=serializer, entity=entity)


@contextlib.contextmanager
def running_server(
    serializer: Any, *endpoints: Any, url: str = "fake://", topic: str | None = None
) -> Iterator[Exchange]:
    """Run a server during a block.

    :param topic: None means a new topic.
    """
    # oslo.messaging requires the global configuration.
    cfg.CONF([], project="os-vif", default_config_files=[], default_config_dirs=[])
    transport = oslo_messaging.get_rpc_transport(
        cfg.CONF, url=url, allowed_remote_exmods=["os_vif.exception"]
    )
    topic, endpoint = topic or f"topic-{next(_topics)}", Endpoint()
    server = oslo_messaging.get_rpc_server(
        transport,
        oslo_messaging.Target(topic=topic, server="server"),
        [endpoint, *endpoints],
        serializer=serializer,
    )
    # Each refused message is an error in the log.
    log = logging.getLogger("oslo_messaging.rpc.server")
    level = log.level
    log.setLevel(logging.CRITICAL)
    server.start()
    try:
        yield Exchange(transport, topic, endpoint)
    finally:
        server.stop()
        server.wait()
        log.setLevel(level)
