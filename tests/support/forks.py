# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Programs forked from the test process, without a start of Python and an import of os-vif."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

from tests import limits


def forked(
    main: Callable[[], int | None], data: bytes, cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Call a function as the main function of a new process.

    :param data: the standard input of the process.
    """
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        files[0].write(data)
        files[0].seek(0)
        with warnings.catch_warnings():
            # oslo.privsep loads eventlet, which warns of the fork; no code here uses eventlet.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            code: int | str | None = 70
            try:
                limits.default_signals()
                os.chdir(cwd or Path.cwd())
                for number, file in enumerate(files):
                    os.dup2(file.fileno(), number)
                sys.stdin, sys.stdout, sys.stderr = (open(n, "rww"[n]) for n in range(3))  # noqa: PTH123, SIM115
                code = main()
            except SystemExit as done:
                code = done.code
            except BaseException:  # noqa: BLE001 - as Python itself does
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(int(code or 0))
        _, status = os.waitpid(child, 0)
        for file in files:
            file.seek(0)
        _, out, err = (file.read() for file in files)
    return subprocess.CompletedProcess([], os.waitstatus_to_exitcode(status), out, err)
