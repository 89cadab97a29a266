# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A limit on the time of a call: a hanging step or plan of a plugin ends with an error."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from types import CodeType, FrameType

#: The directories of os-vif and the standard library.
_OWN = f"{pathlib.Path(__file__).parents[1]}/"
_STANDARD = f"{pathlib.Path(os.__file__).parent}/"
#: The modules with the limited blocks.
_CALLERS = tuple(f"{_OWN}testing/conformance_{name}.py" for name in ("run", "checks", "pods"))
#: Parts of the paths of libraries that os-vif calls.
_LIBRARIES = ("/oslo_", "/stevedore/", "/pyroute2/")
#: The signal that interrupts a function of this process. Programs seldom use the signal.
_SIGNAL = signal.SIGRTMAX
#: The time for a call to return after the end of the daemons, in seconds.
_GRACE_S = 10.0


class CallTimeoutError(Exception):
    """A call did not return in time; the text tells where the call was."""


@contextlib.contextmanager
def limited(what: str, seconds: float, daemons: Callable[[], set[str]]) -> Iterator[None]:
    """Raise an error if a block takes too long.

    The function kills the privileged daemons first, which ends a call that waits for a step. Then
    a signal interrupts a running function of the main thread. Functions of other threads continue.

    :param what: the call, for the error.
    :param daemons: a function that returns the names of the processes of the daemons.
    :raises os_vif.testing.time_limits.CallTimeoutError: if the block takes longer than *seconds*.
    """
    places: list[str] = []
    done = threading.Event()
    is_main = threading.current_thread() is threading.main_thread()

    def expire() -> None:
        if done.wait(seconds):
            return
        places.append(", in the privileged daemon")
        kill_processes(daemons())
        if not done.wait(_GRACE_S) and is_main:
            signal.pthread_kill(threading.main_thread().ident or 0, _SIGNAL)

    def interrupt(_: int, frame: FrameType | None) -> None:
        if place := _place_of(frame):
            places[:] = [f", in {place}"]
        raise CallTimeoutError(f"{what} did not return within {seconds:g} s{places[0]}")

    before = signal.signal(_SIGNAL, interrupt) if is_main else None
    # The watching thread begins in the network namespace of this thread, and finds daemons there.
    watching = threading.Thread(target=expire, daemon=True)
    watching.start()
    try:
        yield
    except CallTimeoutError:
        raise
    except Exception as error:
        if places:
            text = f"{what} did not return within {seconds:g} s{places[0]}"
            raise CallTimeoutError(text) from error
        raise
    finally:
        done.set()
        watching.join()
        if is_main:
            signal.signal(_SIGNAL, before)


def _place_of(frame: FrameType | None) -> str | None:
    """Return the innermost function of the limited block outside of libraries, or None."""
    while frame is not None and frame.f_code.co_filename not in _CALLERS:
        if not _is_library(frame.f_code.co_filename):
            return _described(frame.f_code, frame.f_lineno)
        frame = frame.f_back
    return None


def plugin_place(error: BaseException) -> str | None:
    """Return the innermost function of an exception outside of libraries, or None."""
    frames = [
        (frame.f_code, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if not _is_library(frame.f_code.co_filename)
    ]
    return _described(*frames[-1]) if frames else None


def _described(code: CodeType, line: int) -> str:
    return f"{code.co_name}() ({pathlib.PurePath(code.co_filename).name}, line {line})"


def _is_library(filename: str) -> bool:
    """Return whether a file belongs to Python, os-vif, or a required library."""
    if filename.startswith(("<", _OWN)) or any(part in filename for part in _LIBRARIES):
        return True
    return filename.startswith(_STANDARD) and "site-packages" not in filename


def kill_processes(names: set[str]) -> None:
    """Kill the processes with a name in the network namespace of this thread."""
    ours = pathlib.Path("/proc/thread-self/ns/net").readlink()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            name = (process / "comm").read_text().rstrip("\n")
            if name in names and (process / "ns" / "net").readlink() == ours:
                os.kill(int(process.name), signal.SIGKILL)
