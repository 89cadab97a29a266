# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Checks of the arguments of steps. Each raises InvalidStep, which names the field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

from os_vif import exception

if TYPE_CHECKING:
    from collections.abc import Container

    from os_vif.host.plan import Step

#: ``IFNAMSIZ`` of linux/if.h, less the terminating zero byte.
MAX_NAME = 15
#: ``ETH_MIN_MTU`` and ``ETH_MAX_MTU`` of linux/if_ether.h.
MIN_MTU, MAX_MTU = 68, 65535

#: What errors say that they expected.
DEVICE_NAME = f"a device name of 1 to {MAX_NAME} bytes without '/', ':', '%' or white space"
MTU = f"an MTU of {MIN_MTU} to {MAX_MTU} bytes"


def is_device_name(name: object) -> TypeGuard[str]:
    """Whether the kernel takes it as a name, and as it is.

    Sources: ``dev_valid_name`` and ``__dev_alloc_name`` in net/core/dev.c (a ``%`` is a template),
    ``sysctl_dev_name_is_allowed`` in include/linux/inetdevice.h.
    """
    return (
        isinstance(name, str)
        and 0 < len(name.encode(errors="replace")) <= MAX_NAME
        and name not in (".", "..", "all", "default")
        and name.isprintable()
        and not any(c in "/:%" or c.isspace() for c in name)
    )


def is_mtu(mtu: object) -> TypeGuard[int]:
    return isinstance(mtu, int) and not isinstance(mtu, bool) and MIN_MTU <= mtu <= MAX_MTU


def _reject(step: Step, field: str, expected: str) -> None:
    raise exception.InvalidStep(
        step=type(step).__name__, field=field, found=getattr(step, field), expected=expected
    )


def device_name(step: Step, field: str) -> None:
    if not is_device_name(getattr(step, field)):
        _reject(step, field, DEVICE_NAME)


def boolean(step: Step, field: str, *, optional: bool = False) -> None:
    value = getattr(step, field)
    if not isinstance(value, bool) and not (optional and value is None):
        _reject(step, field, "true or false")


def integer(step: Step, field: str, low: int, high: int, *, optional: bool = False) -> None:
    value = getattr(step, field)
    if optional and value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        _reject(step, field, f"a number from {low} to {high}")


def one_of(step: Step, field: str, values: Container[Any], expected: str) -> None:
    value = getattr(step, field)
    if not isinstance(value, str) or value not in values:
        _reject(step, field, expected)
