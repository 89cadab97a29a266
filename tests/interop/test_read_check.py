# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""What 67 releases of the public project and kuryr have written still reads right."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from testbed.environments import CHECKOUT, without_python_settings

CORPUS = Path(__file__).parent / "corpus"


def test_every_stored_payload_reads_right() -> None:
    done = subprocess.run(
        [sys.executable, CORPUS / "read_check.py", CORPUS / "corpus_public.jsonl"],
        env=without_python_settings(os.environ) | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"os_vif under test: {CHECKOUT / 'os_vif'}\n" in done.stdout, done.stderr
    assert "read 395/395 " in done.stdout, done.stdout
    assert done.returncode == 0
