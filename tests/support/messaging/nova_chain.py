# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Send an instance of nova and a VIF in one list, in an environment with nova.

The output is JSON: the types and values of the answer with nova's serializer alone, and with the
serializer of os-vif around nova's serializer.
"""

from __future__ import annotations

import json
import sys

# The folder of the file is no part of the program.
del sys.path[0]

import oslo_messaging  # noqa: E402
from nova import context as nova_context  # noqa: E402
from nova import objects as nova_objects  # noqa: E402
from nova import rpc as nova_rpc  # noqa: E402
from nova.objects.base import NovaObjectSerializer  # noqa: E402
from oslo_config import cfg  # noqa: E402

from os_vif import objects  # noqa: E402
from os_vif.serialization import messaging  # noqa: E402


class Endpoint:
    def __init__(self):
        self.contexts = []

    def echo(self, ctxt, entity):
        self.contexts.append(type(ctxt).__name__)
        return entity


def exchange(serializer, name, entity):
    """Send an entity to a server on ``fake://``; return the answer and the type of the context."""
    transport = oslo_messaging.get_rpc_transport(cfg.CONF, url="fake://")
    endpoint = Endpoint()
    target = oslo_messaging.Target(topic=name, server="server")
    server = oslo_messaging.get_rpc_server(
        transport, target, [endpoint], executor="threading", serializer=serializer
    )
    server.start()
    client = oslo_messaging.get_rpc_client(
        transport, oslo_messaging.Target(topic=name), serializer=serializer, timeout=60
    )
    answer = client.call(nova_context.get_admin_context(), "echo", entity=entity)
    server.stop()
    server.wait()
    return answer, endpoint.contexts[0]


def main():
    cfg.CONF([], project="nova", default_config_files=[], default_config_dirs=[])
    nova_objects.register_all()
    objects.register_all()
    instance = nova_objects.Instance(uuid="5a1d3c2e-0b7f-4f6a-9d52-3e8f4c1b2a90", host="compute-1")
    vif = objects.vif.VIFBridge(vif_name="tap1", bridge_name="br-1")
    found = {}
    for name, inner in (
        ("nova", NovaObjectSerializer()),
        ("chain", messaging.Serializer(base=NovaObjectSerializer())),
        ("pinned", messaging.Serializer("5.3.0", base=NovaObjectSerializer())),
    ):
        serializer = nova_rpc.RequestContextSerializer(inner)
        (first, second), context = exchange(serializer, name, [instance, vif])
        found[name] = {
            "types": [type(first).__name__, type(second).__name__],
            "values": [first.host, getattr(second, "bridge_name", None)],
            "context": context,
        }
    print(json.dumps(found))  # noqa: T201


if __name__ == "__main__":
    main()
