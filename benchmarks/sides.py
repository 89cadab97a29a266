# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Common parts of benchmarks against a public release: processes, statistics, stored figures."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import shlex
import statistics
import subprocess
from collections.abc import Iterable
from typing import Any, Self

from os_vif import objects
from os_vif.objects.versioning import history
from testbed import environments

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = ROOT / "benchmarks" / "worker.py"
REFERENCE = ROOT / "doc" / "source" / "reference"
PUBLIC_ONE, OURS = "public", "ours"

Options = dict[str, dict[str, object]]


class Side(contextlib.AbstractContextManager["Side"]):
    """A process that plugs with the os_vif of a Python environment, with a privileged daemon.

    :param path: directory with os_vif, if the Python environment has no os_vif.
    :param release: release of os-vif that the side reads; None is the present release.
    :param options: options of the side, by section of the configuration.
    """

    def __init__(
        self,
        python: pathlib.Path,
        scratch: pathlib.Path,
        options: Options,
        path: pathlib.Path | None = None,
        release: str | None = None,
    ) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        self._manifest = None if release is None else history.manifest(release)
        configuration = scratch / "os-vif.conf"
        helper = shlex.quote(str(python.with_name("privsep-helper")))
        sections: Options = {"oslo_concurrency": {"lock_path": scratch}}
        for plugin in ("linux_bridge", "ovs"):
            sections[f"vif_plug_{plugin}_privileged"] = {"helper_command": helper}
        lines = [
            line
            for section, values in (sections | options).items()
            for line in (f"[{section}]", *(f"{name} = {value}" for name, value in values.items()))
        ]
        configuration.write_text("\n".join(lines))
        self._log = scratch / "log"
        own = {} if path is None else {"PYTHONPATH": str(path)}
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [python, "-P", PROGRAM, configuration],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd="/",
                env=environments.without_python_settings(os.environ) | own,
            )
        self.versions: dict[str, str] = self._read()

    def _read(self) -> Any:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args[0]} failed:\n{self._log.read_text()}")
        return json.loads(line)

    def ask(self, do: str, **arguments: object) -> Any:
        """Call a command of the worker; return the reply."""
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        return self._read()

    def load(self, *vifs: objects.VIFBase) -> None:
        """Send VIFs to the process, written for the release of the side."""
        written = [vif.obj_to_primitive(version_manifest=self._manifest) for vif in vifs]
        self.ask("load", vifs=written)

    def call(self, action: str, which: Iterable[int] = (0,), threads: int = 1) -> float:
        """Plug or unplug VIFs; return the seconds."""
        took = self.ask("call", action=action, which=list(which), threads=threads)
        return float(took["wall"])

    def call_many(self, action: str, which: Iterable[int]) -> float:
        """Plug or unplug VIFs at once; return the seconds."""
        return float(self.ask("call_many", action=action, which=list(which))["wall"])

    def cpu(self) -> float:
        """Return the CPU time of the process in seconds."""
        return float(self.ask("cpu")["cpu"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait()


def ratio(slow: list[float], fast: list[float]) -> float:
    """Return the ratio of the medians."""
    return statistics.median(slow) / statistics.median(fast)


def spread(times: list[float]) -> tuple[float, float, float]:
    """Return the median, and the 10th and 90th percentile, in milliseconds."""
    tenths = statistics.quantiles(times, n=10, method="inclusive")
    return statistics.median(times) * 1000, tenths[0] * 1000, tenths[-1] * 1000


def show(times: list[float]) -> str:
    """Format the median, and the 10th and 90th percentile, in milliseconds."""
    median, low, high = spread(times)
    return f"{median:7.2f} ({low:.2f}-{high:.2f})".ljust(24)


def load_average() -> float:
    """Return the load average of the last minute."""
    return round(os.getloadavg()[0], 1)


def figures_path(page: str) -> pathlib.Path:
    """Return the path of the stored figures of a page of the documentation."""
    return REFERENCE / page / "figures.json"


def write_figures(path: pathlib.Path, results: dict[str, Any]) -> None:
    """Store figures as JSON, with a line for each figure."""
    parts = []
    for key, value in results.items():
        if isinstance(value, list):
            text = "[\n  " + ",\n  ".join(json.dumps(item) for item in value) + "\n ]"
        else:
            text = json.dumps(value)
        parts.append(f" {json.dumps(key)}: {text}")
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", "utf-8")


def argument_parser(description: str, rounds: int) -> argparse.ArgumentParser:
    """Return a parser with the options of all benchmarks."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument(
        "--rounds", type=int, default=rounds, help="at least 2 (default: %(default)s)"
    )
    parser.add_argument("--cache", metavar="DIR", help="where the public os-vif is kept")
    return parser


def parse_options(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse and validate the options; set the cache of environments."""
    options = parser.parse_args()
    if options.rounds < 2:  # noqa: PLR2004 - a single round has no spread
        parser.error("--rounds has to be 2 or more")
    if os.geteuid() != 0:
        parser.error("only root can make bridges")
    if options.cache:
        os.environ["OS_VIF_TEST_CACHE"] = str(pathlib.Path(options.cache).absolute())
    return options
