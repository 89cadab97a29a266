# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A deadline shared by all calls of a plan."""

from __future__ import annotations

import math
import time


class Deadline:
    """A point in time on the monotonic clock.

    :param seconds: time from now; 0 means no deadline.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds if seconds else math.inf

    def seconds_left(self) -> float | None:
        """Return the seconds until the deadline, or None without a deadline.

        :raises TimeoutError: if the deadline has passed.
        """
        if math.isinf(self._end):
            return None
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no answer within {self.seconds:g} seconds")
        return left

    @property
    def has_passed(self) -> bool:
        """Return whether the deadline has passed."""
        return self._end <= time.monotonic()

    def extend(self, seconds: float) -> None:
        """Exclude *seconds* spent elsewhere, such as in the kernel."""
        self._end += seconds

    def pause(self, seconds: float) -> None:
        """Sleep for *seconds*, or until the deadline.

        :raises TimeoutError: if the deadline has passed, before or after the sleep.
        """
        left = self.seconds_left()
        time.sleep(seconds if left is None else min(seconds, left))
        self.seconds_left()

    def min_with(self, seconds: float) -> Deadline:
        """Return the earlier of this deadline and *seconds* from now.

        :raises TimeoutError: if the deadline has passed.
        """
        left = self.seconds_left()
        return Deadline(seconds if left is None else min(seconds, left))
