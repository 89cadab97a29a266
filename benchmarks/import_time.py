# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Start-up time and import time of a process with os-vif.

    .venv/bin/python -m benchmarks.import_time [--runs 15] [--public PYTHON]

Each case runs in a separate process, alternating with the other cases; the result is the median.
``--public`` names the Python of an environment with the public os-vif 5.3.0, for comparison.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

OVO = "import oslo_versionedobjects.base"
OURS = "import os_vif; os_vif.initialize()"


def seconds(python: str, code: str) -> float:
    """Return the run time of a Python process with the program, in seconds."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    start = time.perf_counter()
    subprocess.run(
        [python, "-W", "ignore", "-c", code],
        check=True,
        cwd="/",
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--public", metavar="PYTHON")
    options = parser.parse_args()
    cases = {
        "python -c pass": (sys.executable, "pass"),
        OVO: (sys.executable, OVO),
        "import os_vif": (sys.executable, "import os_vif"),
        "import os_vif.objects, all registered": (
            sys.executable,
            "from os_vif import objects; objects.register_all()",
        ),
        OURS: (sys.executable, OURS),
    }
    if options.public:
        cases["public: " + OVO] = (options.public, OVO)
        cases["public: " + OURS] = (options.public, OURS)
    times: dict[str, list[float]] = {name: [] for name in cases}
    for case in cases.values():
        seconds(*case)  # fill the caches of byte code and of entry points
    for _ in range(options.runs):
        for name, case in cases.items():
            times[name].append(seconds(*case))
    median = {name: statistics.median(values) for name, values in times.items()}
    for name, value in median.items():
        print(f"{value * 1000:8.0f} ms  {name}")
    print(f"\nours : {median[OURS] / median[OVO]:.2f} times oslo.versionedobjects alone")
    if options.public:
        public = median["public: " + OURS] / median["public: " + OVO]
        print(f"public: {public:.2f} times oslo.versionedobjects alone")
        print(f"public / ours: {median['public: ' + OURS] / median[OURS]:.2f}")


if __name__ == "__main__":
    main()
