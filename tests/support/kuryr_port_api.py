# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The watch of KuryrPorts of a Kubernetes API server, over HTTP."""

from __future__ import annotations

import contextlib
import http.server
import json
import pathlib
import queue
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any

_PATH = "/apis/openstack.org/v1/kuryrports"
_PODS = "/api/v1/namespaces/default/pods/"


class KuryrPortApi:
    """The API server. Each watch begins with the present KuryrPorts."""

    def __init__(self) -> None:
        self.ports: dict[str, dict[str, Any]] = {}
        self.watches: list[queue.Queue] = []
        #: The query of each watch.
        self.queries: list[dict[str, list[str]]] = []
        self._lock = threading.Lock()
        #: The uid of each pod.
        self.uids: dict[str, str] = {}
        self._version = 0
        self._history: list[tuple[int, dict[str, Any]]] = []

    def put(self, name: str, uid: str, vifs: dict[str, Any]) -> None:
        """Create or replace the KuryrPort of a pod of the namespace default."""
        with self._lock:
            self._version += 1
            self.uids[name] = uid
            event = "MODIFIED" if name in self.ports else "ADDED"
            self.ports[name] = {
                "apiVersion": "openstack.org/v1",
                "kind": "KuryrPort",
                "metadata": {
                    "name": name,
                    "namespace": "default",
                    "resourceVersion": str(self._version),
                    "labels": {"kuryr.openstack.org/nodeName": "node1"},
                    "finalizers": [],
                },
                "spec": {"podUid": uid, "podNodeName": "node1", "podStatic": False},
                "status": {"vifs": vifs},
            }
            self._tell(event, self.ports[name])

    def delete(self, name: str) -> None:
        """Delete a KuryrPort."""
        with self._lock:
            self._version += 1
            port = self.ports.pop(name)
            port["metadata"]["resourceVersion"] = str(self._version)
            self._tell("DELETED", port)

    def end_watches(self) -> None:
        """End all connections."""
        with self._lock:
            for each in self.watches:
                each.put(None)
            self.watches.clear()

    def watch(self, query: dict[str, list[str]]) -> queue.Queue:
        """Return the queue of a new watch."""
        with self._lock:
            events: queue.Queue = queue.Queue()
            self.watches.append(events)
            self.queries.append(query)
            if "resourceVersion" in query:
                since = int(query["resourceVersion"][0])
                for version, event in self._history:
                    if version > since:
                        events.put(event)
            else:
                for port in self.ports.values():
                    events.put({"type": "ADDED", "object": port})
            return events

    def _tell(self, event: str, port: dict[str, Any]) -> None:
        told = {"type": event, "object": json.loads(json.dumps(port))}
        self._history.append((self._version, told))
        for each in self.watches:
            each.put(told)


def _listed(kind: str, **fields: Any) -> dict[str, Any]:
    """Return an answer with a kind, as the API server writes answers."""
    return {"kind": kind, "apiVersion": "v1", **fields}


@contextlib.contextmanager
def serving(folder: pathlib.Path) -> Iterator[tuple[KuryrPortApi, pathlib.Path]]:
    """Serve the API on the loopback device; provide the API and a kubeconfig file."""
    api = KuryrPortApi()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            url = urllib.parse.urlsplit(self.path)
            query = urllib.parse.parse_qs(url.query)
            is_watch = query.get("watch") == ["true"]
            if url.path == _PATH and not is_watch:
                self.answer(200, _listed("KuryrPortList", items=list(api.ports.values())))
                return
            if url.path.startswith(_PODS):
                name = url.path.removeprefix(_PODS)
                metadata = {"name": name, "namespace": "default", "uid": api.uids.get(name, "")}
                self.answer(200, _listed("Pod", metadata=metadata))
                return
            if not is_watch:
                self.answer(404, {"kind": "Status", "code": 404})
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            # Nothing happens to other objects, such as pods.
            events = api.watch(query) if url.path == _PATH else queue.Queue()
            while (event := events.get()) is not None:
                line = json.dumps(event).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

        def do_POST(self):
            """Accept an event of a pod."""
            self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(201, {})

        def answer(self, code, plain):
            text = json.dumps(plain).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        path = folder / "kubeconfig"
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "c",
                    "clusters": [
                        {
                            "name": "k",
                            "cluster": {"server": f"http://127.0.0.1:{server.server_port}"},
                        }
                    ],
                    "users": [{"name": "u", "user": {}}],
                    "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                }
            )
        )
        try:
            yield api, path
        finally:
            api.end_watches()
            server.shutdown()
            thread.join()
