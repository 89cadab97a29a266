# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""pytest plugin for ``@pytest.mark.vm(SCENARIO)``: tests run in a virtual machine.

On this machine, the plugin starts a guest for each scenario, a guest after the other, and runs
pytest with the tests of the scenario there (``sessions``). The reports of the guest are reported
here, so that results, JUnit files and ``-x`` work as usual. The remaining tests run at the same
time. In a guest, the plugin sends the reports; a skipped test fails, because no further machine
runs the test.

The variable ``OS_VIF_VM`` chooses the behavior without a virtual machine. With ``require`` the
tests fail. With ``auto``, the default, tests in ``tests/vm`` are skipped, and other tests run here
as far as the kernel permits. With ``off`` no machine is started.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from testbed.cache import Unavailable
from testbed.vm import lab
from testbed.vm.scenarios import SCENARIOS
from tests.vm import sessions

#: The name of the scenario, in a guest.
INSIDE = os.environ.get("OS_VIF_IN_VM")
_MODE = os.environ.get("OS_VIF_VM", "auto")
#: Seconds of a session after which only required guests are awaited: tools/test.sh has to end
#: within 15 minutes.
_TOO_LATE = 840
#: Seconds until a guest counts as not started.
_SLOW_START = 120
#: Words in the reason of a skip for a missing feature of the kernel.
KERNEL_LACKS = "this kernel lacks"
_HERE = Path(__file__).parent


def scenario_of(item: pytest.Item) -> str | None:
    """Return the scenario of a test, or None."""
    mark = item.get_closest_marker("vm")
    return None if mark is None else mark.args[0]


@pytest.fixture(scope="session")
def made_lab() -> lab.Lab:
    """Return the files of virtual machines, for tests that start a machine themselves."""
    if _MODE == "off":
        pytest.skip("no virtual machine: OS_VIF_VM is off")
    try:
        return lab.lab()
    except Unavailable as reason:
        if _MODE == "require":
            pytest.fail(f"no virtual machine: {reason}")
        pytest.skip(f"no virtual machine: {reason}")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        mark = item.get_closest_marker("vm")
        if mark is not None and mark.args not in {(name,) for name in SCENARIOS}:
            raise pytest.UsageError(
                f"{item.nodeid}: vm{mark.args} is none of the scenarios {', '.join(SCENARIOS)}"
            )
    # A guest boots once for all tests. Tests of this machine come first, long tests before short
    # tests, so that the workers end at about the same time.
    order = [None, *SCENARIOS]
    items.sort(key=lambda item: (order.index(scenario_of(item)), item.path.parent.name == "unit"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a skipped test if no further machine runs the test."""
    report = yield
    if report.skipped and INSIDE:
        report.outcome = "failed"
        report.longrepr = f"skipped in the guest that has to run it: {report.longrepr}"
    elif report.skipped and KERNEL_LACKS in str(report.longrepr) and scenario_of(item) is None:
        report.outcome = "failed"
        report.longrepr = f"no scenario of tests/vm runs it, and {report.longrepr}"
    return report


def pytest_configure(config: pytest.Config) -> None:
    if _MODE not in {"auto", "require", "off"}:
        raise pytest.UsageError(f"OS_VIF_VM is {_MODE!r}; it is one of auto, require, off")
    if INSIDE:
        config.pluginmanager.register(_Inside(config))
    elif hasattr(config, "workerinput"):
        config.pluginmanager.register(_Worker(config))
    elif config.getoption("dist", "no") != "no":
        config.pluginmanager.register(_Controller(config))
    else:
        config.pluginmanager.register(_Alone(config))


class _Inside:
    """Plugin in a guest: reports go to the host."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._words = os.fdopen(3, "w", buffering=1)

    def _say(self, **words: object) -> None:
        self._words.write(json.dumps(words) + "\n")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        # The import takes long in a guest, and a silent guest counts as hung.
        self._say(collected=report.nodeid)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._say(started=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        hook = self._config.hook
        data = hook.pytest_report_to_serializable(config=self._config, report=report)
        self._say(nodeid=report.nodeid, report=data)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._say(finished=nodeid)


class _Outside:
    """Plugin on this machine: guests run the tests of their scenarios, and this process the
    others.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        #: The guest of each test.
        self._guests: dict[str, _Reports] = {}

    def _expect(self, tests: dict[str, list[str]], directory: Path) -> None:
        for name, nodeids in tests.items():
            reports = _Reports(self._config, name, directory, nodeids)
            self._guests.update(dict.fromkeys(nodeids, reports))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        guest = self._guests.get(item.nodeid)
        reports = None if guest is None else guest.of(item)
        if reports is None:
            return None
        hook = item.ihook
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in reports:
            hook.pytest_runtest_logreport(report=report)
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True


class _Starter:
    """Plugin in the process with the guests as child processes."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._runner: subprocess.Popen[str] | None = None
        self._directory: Path | None = None

    def directory(self) -> Path:
        """Return the directory for the reports of the guests."""
        if self._directory is None:
            self._directory = self._config._tmp_path_factory.mktemp("vm", numbered=False)
        return self._directory

    def start(self, tests: dict[str, list[str]]) -> None:
        config = self._config
        # Guests must not outlive this process.
        bound = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        self._runner = subprocess.Popen(
            [*bound, sys.executable, "-m", "tests.vm.sessions"],
            cwd=config.rootpath,
            stdin=subprocess.PIPE,
            text=True,
        )
        options = [f"--rootdir={config.rootpath}", f"--tb={config.option.tbstyle}"]
        wanted = {} if _MODE == "off" else tests
        given = {"directory": str(self.directory()), "tests": wanted, "options": options}
        with self._runner.stdin as words:
            json.dump(given, words)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        kernels = set()
        if self._directory is not None:
            for words in self._directory.glob("*.words"):
                with words.open() as lines:
                    first = next(lines, "{}")
                kernels.add(json.loads(first).get("kernel", ""))
        for kernel in sorted(kernels - {""}):
            terminalreporter.write_line(f"The virtual machines ran {kernel}")

    def pytest_sessionfinish(self) -> None:
        if self._runner is not None:
            self._runner.kill()
            self._runner.wait()


class _Alone(_Outside, _Starter):
    """Plugin in the only test process of the machine."""

    def __init__(self, config: pytest.Config) -> None:
        _Outside.__init__(self, config)
        _Starter.__init__(self, config)

    def pytest_runtestloop(self, session: pytest.Session) -> None:
        tests = _tests(session)
        if not tests or session.config.option.collectonly:
            return
        # The process waits for reports of guests after all local tests.
        session.items.sort(key=lambda item: scenario_of(item) is not None)
        self._expect(tests, self.directory())
        self.start(tests)


class _Controller(_Starter):
    """Plugin in the controller of pytest-xdist, which starts the guests once."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: object) -> None:
        node.workerinput[_DIRECTORY] = str(self.directory())

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> None:
        # The first worker that has collected the tests writes the file with the tests of guests.
        if self._runner is None and (tests := _scenarios(self.directory())):
            self.start(tests)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: object) -> object:
        if config.getoption("dist") != "loadscope":
            return None
        from tests.vm.distribution import Distribution

        return Distribution(config, log, lambda: _scenarios(self.directory()))


class _Worker(_Outside):
    """Plugin in a worker of pytest-xdist, which reads the reports of the guests."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        directory = Path(self._config.workerinput[_DIRECTORY])
        tests = _tests(session)
        # All workers write the same text, and a reader sees either no file or a complete file.
        own = directory / f"tests-{os.getpid()}"
        own.write_text(json.dumps(tests), encoding="utf-8")
        own.replace(directory / _TESTS)
        self._expect(tests, directory)


#: Keys of messages between the controller and workers: a directory, and a file in the directory.
_DIRECTORY = "directory of virtual machines"
_TESTS = "tests.json"


def _tests(session: pytest.Session) -> dict[str, list[str]]:
    """Return the tests of each guest by the name of the scenario."""
    tests: dict[str, list[str]] = {}
    for item in session.items:
        if name := scenario_of(item):
            tests.setdefault(name, []).append(item.nodeid)
    for name in list(tests):
        for included in SCENARIOS[name].includes:
            tests[name] = tests.pop(included, []) + tests[name]
    return tests


def _scenarios(directory: Path) -> dict[str, list[str]]:
    path = directory / _TESTS
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


class _Reports:
    """The reports of a guest (``sessions``), and the tests without a report."""

    def __init__(
        self,
        config: pytest.Config,
        name: str,
        directory: Path,
        tests: list[str],
    ) -> None:
        self._config = config
        self._name = name
        self._output = directory / name / "output"
        self._words = directory / f"{name}.words"
        self._read = 0
        self._alive = directory / sessions.ALIVE
        self._since = time.monotonic()
        self._heard: dict[str, list[pytest.TestReport]] = {test: [] for test in tests}
        self._finished: set[str] = set()
        self._unavailable = "OS_VIF_VM is off" if _MODE == "off" else None
        self._ended: str | None = None
        self._said = False

    def of(self, item: pytest.Item) -> list[pytest.TestReport] | None:
        """Return the reports on a test, or None if the test should run outside the guest."""
        while not (self._unavailable or self._ended or item.nodeid in self._finished):
            if not self._listen():
                self._wait()
        if item.nodeid in self._finished:
            return self._heard[item.nodeid]
        if self._ended:
            message = f"not run, since the virtual machine {self._name} has ended"
            if not self._said:
                self._said = True
                message = f"the virtual machine {self._name} {self._ended}"
            return [*self._heard[item.nodeid], _report(item, "failed", message)]
        if _MODE != "require" and not item.path.is_relative_to(_HERE):
            # The kernel of this machine may have the feature.
            return None
        outcome = "failed" if _MODE == "require" else "skipped"
        return [_report(item, outcome, f"no virtual machine: {self._unavailable}")]

    def _listen(self) -> bool:
        """Read new reports; return whether the file had any."""
        if not self._words.exists():
            return False
        with self._words.open() as file:
            file.seek(self._read)
            lines = file.readlines()
        heard = False
        for line in lines:
            if not line.endswith("\n"):
                break
            heard = True
            self._read += len(line.encode())
            self._hear(json.loads(line))
        return heard

    def _hear(self, words: dict) -> None:
        if "report" in words:
            report = self._config.hook.pytest_report_from_serializable(
                config=self._config, data=words["report"]
            )
            self._heard[report.nodeid].append(report)
        elif "finished" in words:
            self._finished.add(words["finished"])
        elif "unavailable" in words:
            self._unavailable = words["unavailable"]
        elif "ended" in words:
            self._ended = words["ended"]
        elif "status" in words:
            said = self._output.read_text(errors="replace")
            self._ended = (
                f"did not run all its tests; its pytest ended with {words['status']}: {said}"
            )

    def _wait(self) -> None:
        gone = time.monotonic() - self._since
        started = self._alive.exists() and self._alive.stat().st_size > 0
        ended = not sessions.alive(self._alive) if started else gone > _SLOW_START
        if ended and not self._listen():
            self._ended = "was not run: tests.vm.sessions has ended"
        elif _MODE == "auto" and gone > _TOO_LATE:
            self._unavailable = f"{gone / 60:.0f} minutes have gone; tox -e vm waits for it"
        time.sleep(0.05)


def _report(item: pytest.Item, outcome: str, message: str) -> pytest.TestReport:
    longrepr: object = message
    if outcome == "skipped":
        longrepr = (str(item.path), item.location[1], message)
    return pytest.TestReport(
        item.nodeid, item.location, dict.fromkeys(item.keywords, 1), outcome, longrepr, "call"
    )
