# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif demo``: starts itself in a private network namespace, and runs the demo."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from cliff import command

from os_vif import exception
from os_vif.cmd import exit_codes, main, streams

#: Set in the environment of the process that runs inside the private namespace.
_INSIDE = "OS_VIF_DEMO_INSIDE"

#: Command prefix for a new network namespace, as root.
_AS_ROOT = ("unshare", "--net", "--")
#: As another user, with a user namespace, and a private /run for the records of os-vif.
_AS_USER = (
    *("unshare", "--user", "--map-root-user", "--net", "--mount", "--"),
    *("sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh"),
)


class Demo(main.Escaping, command.Command):
    """Plug VIFs in a private network namespace, show and repair them, and unplug them."""

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Run the demo in a new namespace; return the exit code."""
        # Every command loads this file.
        from os_vif.cmd.demo import linux_bridge_demo
        from os_vif.cmd.demo.console import Console

        if _INSIDE in os.environ:
            return self._run_inside()
        prefix, missing = _find_namespace_command()
        if prefix is None:
            linux_bridge_demo.show_documents(Console(self.app.stdout))
            print(f"\nNothing was plugged: {missing}", file=sys.stderr)
            return exit_codes.EXIT_FAILED
        options = ["--debug"] if self._is_debugging() else []
        own = [sys.executable, "-m", "os_vif.cmd.main", *options]
        self.app.stdout.flush()
        environment = os.environ | {_INSIDE: "1"}
        return subprocess.run([*prefix, *own, "demo"], check=False, env=environment).returncode

    def _is_debugging(self) -> bool:
        return bool(self.app_args and self.app_args.debug)

    def _run_inside(self) -> int:
        """Run the demo in the present namespace; return the exit code."""
        from os_vif.cmd.demo import linux_bridge_demo
        from os_vif.cmd.demo.console import Console, DemoError

        try:
            linux_bridge_demo.run(Console(self.app.stdout))
        except (DemoError, OSError, exception.ExceptionBase) as error:
            if self._is_debugging() or streams.reader_is_gone():
                raise
            print(f"\nThe demo failed: {error}", file=sys.stderr)
            return exit_codes.EXIT_FAILED
        return 0


def _find_namespace_command() -> tuple[tuple[str, ...] | None, str]:
    """Return a command that creates a network namespace; or None, and the missing right."""
    refusals = []
    for prefix in (_AS_ROOT, _AS_USER) if os.geteuid() == 0 else (_AS_USER,):
        try:
            tried = subprocess.run([*prefix, "true"], check=False, capture_output=True, text=True)
        except FileNotFoundError:
            return None, "unshare(1) is missing; install the package util-linux."
        if tried.returncode == 0:
            return prefix, ""
        refusals.append(f"{' '.join(prefix[: prefix.index('--')])}: {tried.stderr.strip()}")
    return None, (
        "a private network namespace needs CAP_SYS_ADMIN and CAP_NET_ADMIN, or a user namespace "
        "(sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone).\n"
        + "\n".join(refusals)
    )
