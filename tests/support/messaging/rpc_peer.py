# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""An RPC server with the first os_vif on the module path, over RabbitMQ.

    python rpc_peer.py URL TOPIC NAME INDIRECTION

The server ends when standard input is closed. A public release uses the serializer of
oslo.versionedobjects with the namespace of os-vif, and asks the topic INDIRECTION for back-ports.
This library uses the serializer of this library.

The file runs on Python 3.9, for the oldest releases.
"""

from __future__ import annotations

import sys

# The folder of the file is no part of the release.
del sys.path[0]

import oslo_messaging  # noqa: E402
from oslo_config import cfg  # noqa: E402
from oslo_versionedobjects import base as ovo  # noqa: E402

import os_vif  # noqa: E402
from os_vif import objects  # noqa: E402
from os_vif.objects import base  # noqa: E402


class PlainSerializer(ovo.VersionedObjectSerializer):
    """The serializer of a service with a public release."""

    OBJ_BASE_CLASS = base.VersionedObject


def make_serializer():
    """Return the serializer of this release."""
    try:
        from os_vif.serialization import messaging
    except ImportError:
        return PlainSerializer()
    return messaging.Serializer()


class Indirection:
    """The indirection API of a service with a public release."""

    def __init__(self, client):
        self.client = client
        self.requests = 0

    def object_backport_versions(self, context, objinst, object_versions):
        self.requests += 1
        return self.client.call(
            context, "object_backport_versions", objinst=objinst, object_versions=object_versions
        )


class Endpoint:
    """Methods that return the received objects."""

    def __init__(self, transport, name):
        self.transport = transport
        self.name = name

    def describe(self, ctxt):
        versions = {n: c[0].VERSION for n, c in ovo.VersionedObjectRegistry.obj_classes().items()}
        api = base.VersionedObject.indirection_api
        return {
            "os_vif": os_vif.__file__,
            "manifest": versions,
            "backports": api.requests if api else None,
        }

    def echo(self, ctxt, entity):
        return {"name": self.name, "entity": entity}

    def forward(self, ctxt, topic, entities):
        """Send objects to another server as this release writes them.

        Return the answer, and the names of the objects that differ from the answer.
        """
        answer = call(self.transport, topic, "echo", entity=entities)
        read = {name: without_changes(obj.obj_to_primitive()) for name, obj in answer.items()}
        differing = [
            name
            for name, obj in entities.items()
            if without_changes(obj.obj_to_primitive()) != read[name]
        ]
        return {"differing": differing, "answer": answer}


def call(transport, topic, method, **arguments):
    """Call a method of another server."""
    target = oslo_messaging.Target(topic=topic, version="1.0")
    kwargs = {"serializer": make_serializer(), "timeout": 60}
    return oslo_messaging.get_rpc_client(transport, target, **kwargs).call({}, method, **arguments)


def without_changes(value):
    """Return a primitive without the names of changed fields."""
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if k != "versioned_object.changes"}
        return {key: without_changes(item) for key, item in kept.items()}
    return [without_changes(item) for item in value] if isinstance(value, list) else value


def main(url, topic, name, indirection):
    objects.register_all()
    cfg.CONF([], project="peer", default_config_files=[], default_config_dirs=[])
    transport = oslo_messaging.get_rpc_transport(cfg.CONF, url=url)
    if isinstance(make_serializer(), PlainSerializer) and indirection != "none":
        target = oslo_messaging.Target(topic=indirection, version="1.0")
        client = oslo_messaging.get_rpc_client(
            transport, target, serializer=make_serializer(), timeout=60
        )
        base.VersionedObject.indirection_api = Indirection(client)
    server = oslo_messaging.get_rpc_server(
        transport,
        oslo_messaging.Target(topic=topic, server=name),
        [Endpoint(transport, name)],
        executor="threading",
        serializer=make_serializer(),
    )
    server.start()
    print("ready", flush=True)  # noqa: T201
    sys.stdin.read()
    server.stop()
    server.wait()
    # The broker gives messages without an acknowledgement to another server.
    transport.cleanup()


if __name__ == "__main__":
    main(*sys.argv[1:])
