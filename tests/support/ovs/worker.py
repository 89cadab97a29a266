# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plug and unplug VIFs of Open vSwitch in several threads for a while.

python -m tests.support.ovs.worker CONNECTION KIND FIRST LAST THREADS SECONDS

At the end all VIFs are plugged. Failures are written to stderr, with the exit status 1.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback

from oslo_config import cfg

import os_vif
from os_vif import objects
from testbed.ovs_kinds import KINDS, vif

INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")


def configure(connection: str, **options: object) -> None:
    cfg.CONF([], project="os-vif", default_config_files=[], default_config_dirs=[])
    os_vif.initialize()
    for name, value in (options | {"ovsdb_connection": connection}).items():
        cfg.CONF.set_override(name, value, group="os_vif_ovs")


def plug_and_unplug(vifs: list[objects.VIFBase], seconds: float) -> None:
    """Plug and unplug each VIF at least once, and plug all VIFs at the end."""
    deadline = time.monotonic() + seconds
    while True:
        for one in vifs:
            os_vif.plug(one, INSTANCE)
            differences = [d for d in os_vif.check(one, INSTANCE) if not d.pending]
            assert not differences, differences
        os_vif.plug(vifs[0], INSTANCE)
        if time.monotonic() > deadline:
            return
        for one in vifs:
            os_vif.unplug(one, INSTANCE)


def main(connection: str, kind: str, *numbers: str) -> int:
    first, last, threads, seconds = map(int, numbers)
    configure(connection, **KINDS[kind].options)
    failed: list[str] = []

    def work(vifs: list[objects.VIFBase]) -> None:
        try:
            plug_and_unplug(vifs, seconds)
        except Exception:  # noqa: BLE001 - main() prints the traceback
            failed.append(traceback.format_exc())

    vifs = [vif(KINDS[kind], number) for number in range(first, last)]
    workers = [threading.Thread(target=work, args=(vifs[n::threads],)) for n in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    sys.stderr.writelines(failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
