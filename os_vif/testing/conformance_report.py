# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The report of a suite: a table of cases and checks, with the reason of each failure."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Iterator

#: The greatest number of checks of the same reason whose names are listed.
_LISTED = 11


class Verdict(enum.StrEnum):
    """The outcome of a check for a case."""

    PASSED = "passed"
    FAILED = "failed"
    #: The check does not apply, or the host lacks a requirement. The reason is in the result.
    SKIPPED = "skipped"


@dataclasses.dataclass(frozen=True)
class Result:
    """The outcome of a check for a case."""

    case: str
    check: str
    verdict: Verdict
    #: The fault, or the reason of the skip. Empty for a passed check.
    reason: str = ""
    #: Duration of the check in seconds.
    seconds: float = 0.0


class ConformanceError(AssertionError):
    """A check failed, or no check ran. The text is the report."""


@dataclasses.dataclass(frozen=True)
class Report:
    """The results of a suite. ``str(report)`` is a table with the reason of each failure."""

    #: The subject of the suite, such as ``plugin 'example'``.
    subject: str
    results: tuple[Result, ...]

    @property
    def failures(self) -> tuple[Result, ...]:
        """The failed checks."""
        return self._with(Verdict.FAILED)

    @property
    def skipped(self) -> tuple[Result, ...]:
        """The skipped checks, with the reasons."""
        return self._with(Verdict.SKIPPED)

    @property
    def passed(self) -> bool:
        """True if no check failed and at least one check ran."""
        return not self.failures and bool(self._with(Verdict.PASSED))

    @property
    def seconds(self) -> float:
        """Duration of all checks in seconds."""
        return sum(result.seconds for result in self.results)

    def raise_for_failures(self) -> None:
        """Raise an error unless the report has passed.

        :raises ConformanceError: if a check failed, or no check ran.
        """
        if not self.passed:
            raise ConformanceError(str(self))

    def _with(self, verdict: Verdict) -> tuple[Result, ...]:
        return tuple(result for result in self.results if result.verdict is verdict)

    def __str__(self) -> str:
        counts = ", ".join(f"{len(self._with(verdict))} {verdict}" for verdict in Verdict)
        lines = [f"Conformance of {self.subject}: {counts} ({self.seconds:.1f} s)", ""]
        lines += self._table()
        for word, results in (("FAILED", self.failures), ("skipped", self.skipped)):
            for case, reason, checks in _by_reason(results):
                indented = reason.replace("\n", "\n    ")
                lines += ["", f"{word} {case}, {_listed(checks)}:", f"    {indented}"]
        return "\n".join(lines)

    def _table(self) -> list[str]:
        """Return a line for each check, with a column for each case."""
        cases = list(dict.fromkeys(result.case for result in self.results))
        checks = list(dict.fromkeys(result.check for result in self.results))
        words = {
            (result.check, result.case): "ok" if result.verdict is Verdict.PASSED
            else result.verdict.upper() if result.verdict is Verdict.FAILED else "skipped"
            for result in self.results
        }  # fmt: skip
        rows = [["", *cases]]
        rows += [[check, *(words.get((check, case), "-") for case in cases)] for check in checks]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]


def _by_reason(results: Iterable[Result]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield each case and reason once, with the checks that have the reason."""
    checks: dict[tuple[str, str], list[str]] = {}
    for result in results:
        checks.setdefault((result.case, result.reason), []).append(result.check)
    for (case, reason), names in checks.items():
        yield case, reason, names


def _listed(checks: list[str]) -> str:
    """Return the names of checks; of many checks, the first and the last."""
    if len(checks) <= _LISTED:
        return ", ".join(checks)
    return f"{checks[0]} to {checks[-1]} ({len(checks)} checks)"
