# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""A kube-apiserver of Kubernetes 1.20 or later for a test, on loopback, with an etcd of its own.

No package registry has the program. Debian's source package ``kubernetes`` builds it, with
``pkg/generated/openapi`` generated first, and with Go 1.17 or older: with a newer Go, the server
panics at the first custom resource.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.cache import Unavailable
from tests.support.interop.etcd_server import HOST, running_etcd

_TOKEN = "token-of-the-test"  # noqa: S105 - of a server on loopback
_START_S = 180


@dataclass(frozen=True)
class Cluster:
    """A running API server, and the configuration for kubectl."""

    kubeconfig: Path

    def environ(self) -> dict[str, str]:
        """Return the environment for kubectl."""
        # kubectl keeps a cache in the home directory.
        home = str(self.kubeconfig.parent)
        return {"PATH": os.environ["PATH"], "KUBECONFIG": str(self.kubeconfig), "HOME": home}

    def kubectl(self, *arguments: str, data: str = "") -> subprocess.CompletedProcess[str]:
        """Run kubectl; the caller reads the exit code."""
        return subprocess.run(
            ["kubectl", *arguments],
            env=self.environ(),
            input=data,
            capture_output=True,
            text=True,
            check=False,
        )

    def apply(self, *objects: Any) -> None:
        """Create objects."""
        whole = {"apiVersion": "v1", "kind": "List", "items": objects}
        done = self.kubectl("create", "-f", "-", data=json.dumps(whole))
        assert done.returncode == 0, done.stderr

    def get(self, *arguments: str) -> Any:
        """Return objects as plain data."""
        done = self.kubectl("get", "-o", "json", *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@contextlib.contextmanager
def running_api_server(directory: Path) -> Iterator[Cluster]:
    """Run an API server during a block.

    :raises Unavailable: if kube-apiserver, etcd or kubectl is missing.
    """
    if shutil.which("kubectl") is None:
        raise Unavailable("kubectl is not installed: in Debian it is in kubernetes-client")
    if (server := shutil.which("kube-apiserver")) is None:
        raise Unavailable("kube-apiserver is not on the path")
    with running_etcd(directory) as etcd:
        with socket.socket() as free:
            free.bind((HOST, 0))
            port = free.getsockname()[1]
        log = directory / "kube-apiserver.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [server, *_options(directory, etcd, port)],
                env={"PATH": os.defpath},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            cluster = Cluster(_kubeconfig(directory, port))
            _wait(cluster, process, log)
            yield cluster
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _options(directory: Path, etcd: str, port: int) -> list[str]:
    key = directory / "service-accounts.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    tokens = directory / "tokens.csv"
    tokens.write_text(f"{_TOKEN},tester,1,system:masters\n")
    return [
        f"--etcd-servers={etcd}",
        f"--bind-address={HOST}",
        f"--advertise-address={HOST}",
        f"--secure-port={port}",
        f"--cert-dir={directory / 'certificates'}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=AlwaysAllow",
        # No controller creates the accounts of pods.
        "--disable-admission-plugins=ServiceAccount",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--service-account-issuer=https://localhost",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        # Endpoints of the server itself are not needed.
        "--endpoint-reconciler-type=none",
    ]


def _kubeconfig(directory: Path, port: int) -> Path:
    path = directory / "kubeconfig"
    cluster = {"server": f"https://{HOST}:{port}", "insecure-skip-tls-verify": True}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": {"token": _TOKEN}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }
    path.write_text(json.dumps(content))
    return path


def _wait(cluster: Cluster, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server is ready."""
    end = time.monotonic() + _START_S
    while cluster.kubectl("get", "--raw", "/readyz").returncode:
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(
                f"kube-apiserver does not start:\n{log.read_text(errors='replace')[-3000:]}"
            )
        time.sleep(0.5)
