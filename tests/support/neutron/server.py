# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The API server of neutron, with a database of SQLite.

The tables are created from the models, once for each environment: the migrations of neutron do not
run with SQLite ("No support for ALTER of constraints in SQLite dialect").
"""

from __future__ import annotations

import contextlib
import http.client
import os
import pathlib
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from testbed import cache, environments
from testbed.environments import Subject
from tests.support.neutron.api import Api, Refused, wait_until

#: For the first reply, in seconds. The server loads modules for 10 seconds of processor time.
_START_TIMEOUT_S = 240
#: For the end of a process after SIGTERM, in seconds. An agent would wait for replies of the server.
_END_TIMEOUT_S = 3
_MODULES = Path(__file__).with_name("module_path")
_CREATE_TABLES = """
import sys
import sqlalchemy
from neutron.db.migration.models import head
engine = sqlalchemy.create_engine(f"sqlite:///{sys.argv[1]}")
head.get_metadata().create_all(engine)
with engine.connect() as connection:
    # The mode is a setting of the file: readers do not wait for a writer.
    connection.execute(sqlalchemy.text("PRAGMA journal_mode = WAL"))
"""
# The policies of port bindings need the role "service", which no request has without keystone.
_POLICY = "\n".join(
    f'"{name}": "@"'
    for name in (
        *("update_port:binding:profile", "create_port:binding:profile"),
        *("create_port_binding", "get_port_binding", "update_port_binding"),
        *("delete_port_binding", "activate", "activate_port_binding"),
    )
)
_NEUTRON = """
[DEFAULT]
core_plugin = ml2
auth_strategy = noauth
state_path = {folder}
log_dir = {folder}/log
api_paste_config = {prefix}/etc/neutron/api-paste.ini
notify_nova_on_port_status_changes = false
notify_nova_on_port_data_changes = false
dhcp_agent_notification = false
rpc_workers = 1
rpc_state_report_workers = 0
[database]
connection = sqlite:///{folder}/neutron.sqlite?timeout=60
sqlite_synchronous = false
[oslo_concurrency]
lock_path = {folder}
[oslo_messaging_notifications]
driver = noop
[oslo_policy]
policy_file = {folder}/policy.yaml
[privsep]
helper_command = {prefix}/bin/privsep-helper
[agent]
root_helper = env
root_helper_daemon =
"""
# The hash ring asks for start-time. Without "Connection: close" clients see connections that end.
_UWSGI = """
[uwsgi]
http-socket = {listen}:9696
module = neutron_api:application
virtualenv = {prefix}
processes = 1
threads = 4
enable-threads = true
lazy-apps = true
die-on-term = true
need-app = true
start-time = %t
add-header = Connection: close
buffer-size = 65535
"""


def environment(subject: Subject) -> Path:
    """Return the Python of the environment with neutron, without os-vif.

    :raises Unavailable: the environment does not exist, and the package index is unreachable.
    """
    pinned = environments.pins("neutron") + environments.pins("neutron_server")
    return environments.environment("neutron-server", pinned, subject.requirements)


def write_configuration(
    path: Path, *sections: Mapping[str, Mapping[str, object]], base: str = ""
) -> None:
    """Write a file of oslo.config: a text, and then the options of *sections*."""
    lines = [
        line
        for given in sections
        for section, options in given.items()
        for line in (f"[{section}]", *(f"{name} = {value}" for name, value in options.items()))
    ]
    path.write_text("\n".join([base, *lines, ""]), encoding="utf-8")


class Neutron:
    """The configuration of neutron in a folder, and the processes that use it.

    :param python: the Python of the environment.
    :param subject: the os_vif that neutron imports.
    :param neutron: options of neutron.conf, by section.
    :param ml2: options of ml2.ini, by section.
    :param module_path: more folders for the module path of neutron.
    """

    def __init__(
        self,
        python: Path,
        subject: Subject,
        folder: Path,
        neutron: Mapping[str, Mapping[str, object]],
        ml2: Mapping[str, Mapping[str, object]],
        *,
        module_path: Sequence[Path] = (),
    ) -> None:
        self.python, self.folder = python, folder
        self._prefix = python.parents[1]
        (folder / "log").mkdir(parents=True)
        names = {"folder": folder, "prefix": self._prefix}
        write_configuration(folder / "neutron.conf", neutron, base=_NEUTRON.format(**names))
        write_configuration(folder / "ml2.ini", ml2)
        (folder / "policy.yaml").write_text(_POLICY, encoding="utf-8")
        self.environ = environments.without_python_settings(os.environ) | {
            "PATH": f"{python.parent}:{os.environ['PATH']}:/usr/sbin:/sbin",
            "PYTHONPATH": os.pathsep.join(map(str, [_MODULES, *module_path, subject.path])),
            "OS_NEUTRON_CONFIG_DIR": str(folder),
            "OS_NEUTRON_CONFIG_FILES": "neutron.conf;ml2.ini",
        }

    def options(self) -> list[str]:
        """Return the options of a program of neutron."""
        return [f"--config-file={self.folder / name}" for name in ("neutron.conf", "ml2.ini")]

    def command(self, program: str) -> list[str]:
        """Return the command line of a program of neutron with the configuration."""
        return [str(self.python.with_name(program)), *self.options()]

    def create_database(self) -> None:
        """Copy a database with the tables of neutron, which is created at first use."""

        def build(directory: Path) -> None:
            created = directory / "neutron.sqlite"
            self._run([str(self.python), "-c", _CREATE_TABLES, str(created)])
            shutil.copy(created, self.folder)
            self._run([*self.command("neutron-db-manage"), "stamp", "heads"])
            shutil.copy(self.folder / "neutron.sqlite", created)

        key = cache.digest(environments.pins("neutron"), _CREATE_TABLES)
        created = cache.cached_directory(f"neutron-database-{key}", build)
        shutil.copy(created / "neutron.sqlite", self.folder)

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(
            command, env=self.environ, cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    @contextlib.contextmanager
    def running_api(self, listen: str = "127.0.0.1", wrap: Sequence[str] = ()) -> Iterator[Api]:
        """Run the API server during a block.

        :param wrap: a command that runs another command, such as nsenter.
        """
        configuration = self.folder / "uwsgi.ini"
        configuration.write_text(_UWSGI.format(listen=listen, prefix=self._prefix), "utf-8")
        command = [*wrap, str(self.python.with_name("uwsgi")), "--ini", str(configuration)]
        api = Api(listen)

        def answers() -> bool:
            try:
                return api.call("GET", "networks") is not None
            except OSError:
                return False
            except Refused as refusal:
                if refusal.status < http.client.INTERNAL_SERVER_ERROR:
                    raise
                # The plugins of the server are not ready.
                return False

        with self.running(command, "api") as process:
            wait_until(
                lambda: self.check(process, "api") and answers(),
                f"an answer of neutron; {self.folder}/log",
                _START_TIMEOUT_S,
            )
            yield api

    @contextlib.contextmanager
    def running(self, command: Sequence[str], name: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a process during a block, with the output in ``log/NAME.out``."""
        with (self.folder / "log" / f"{name}.out").open("ab") as log:
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env=self.environ,
                cwd=self.folder,
                start_new_session=True,
            )
            try:
                yield process
            finally:
                end(process)

    def check(self, process: subprocess.Popen[bytes], name: str) -> bool:
        """Return True for a running process; fail with the end of the output otherwise."""
        assert process.poll() is None, self.output(name)
        return True

    def output(self, name: str) -> str:
        """Return the end of the output of a process."""
        path: pathlib.Path = self.folder / "log" / f"{name}.out"
        return path.read_text(encoding="utf-8", errors="replace")[-5000:]


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group, and wait for the end of the process."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_TIMEOUT_S)
