# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The benchmarks run and verify each call. No test depends on the measured times."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from os_vif.testing import private_namespaces
from testbed import ovs
from testbed.environments import CHECKOUT


@pytest.mark.interop
def test_the_ovs_plugin_is_measured_beside_5_3_0(tmp_path):
    """Each figure has two times and a ratio. The test runs the shortest form of the benchmark."""
    missing = private_namespaces.missing_right() or ovs.missing()
    if missing:
        pytest.skip(missing)
    figures = tmp_path / "figures.json"
    short = ("--others", "0", "3", "--rounds", "2", "--kinds", "port", "--json", figures)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.ovs", *short],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    if "package index is out of reach" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    found = json.loads(figures.read_text())["figures"]
    compared = [figure for figure in found if "ratio" in figure]
    assert {figure["others"] for figure in compared} == {0, 3}
    assert {"plug", "unplug", "first plug"} <= {figure["what"] for figure in compared}
    assert all(figure[side]["ms"] > 0 for figure in compared for side in ("public", "ours"))
    for figure in compared:
        assert f"{figure['ratio']:.2f}x" in done.stdout
