# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What a plugin author subclasses."""

from __future__ import annotations

import abc
import importlib
from typing import TYPE_CHECKING, Any, Self, cast

from oslo_config import cfg

from os_vif import exception, host

if TYPE_CHECKING:
    from collections.abc import Sequence

    from os_vif import objects
    from os_vif.host.plan import Plan

CONF = cfg.CONF

#: What the engine calls in ``privsep_module``.
_ENTRY_POINTS = ("run", "undo", "look")


class PluginBase(abc.ABC):
    """A way to connect VIFs to a network of the host.

    A plugin is an entry point of the group ``os_vif``; its name is what a VIF has in ``plugin``.
    It says what it does in :meth:`plan_plug` and :meth:`plan_unplug`, and one engine does it.
    A plugin that overrides :meth:`plug` or :meth:`unplug` instead acts for itself; what it raises
    reaches the caller as :class:`~os_vif.exception.PlugException` or ``UnplugException``.
    """

    #: The options of the group ``[os_vif_<name of the plugin>]``.
    CONFIG_OPTS: Sequence[cfg.Opt] = ()

    #: Import path of the module with the privileged entry points ``run``, ``undo`` and ``look``,
    #: which ``os_vif.host.privsep.Context.entry_points()`` makes.
    #: Deployed hosts name its ``vif_plug`` in sudoers and rootwrap filters.
    privsep_module: str | None = None

    def __init__(self, config: Any) -> None:
        """:param config: the plugin's option group, as ``oslo.config`` gives it."""
        self.config = config

    @abc.abstractmethod
    def describe(self) -> objects.HostPluginInfo:
        """The VIF classes that the plugin can plug (:func:`os_vif.objects.host_info.describe`)."""

    def plan_plug(self, vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> Plan:
        """What has to hold on the host for ``vif`` to be plugged. Nothing is changed.

        :raises os_vif.exception.ExceptionBase: if the VIF cannot be plugged as it is.
        """
        raise exception.PlanNotSupported(
            plugin_name=type(self).__name__, reason="it has no plan_plug()"
        )

    def plan_unplug(self, vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> Plan:
        """What takes the VIF off the host again. Nothing is changed."""
        raise exception.PlanNotSupported(
            plugin_name=type(self).__name__, reason="it has no plan_unplug()"
        )

    def plug(self, vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> None:
        """Connect the VIF. A second call changes nothing.

        :raises Exception: whatever a plugin likes; the facade wraps it.
        """
        self._run(self.plan_plug(vif, instance_info))

    def unplug(
        self, vif: objects.VIFBase, instance_info: objects.InstanceInfo
    ) -> tuple[str, ...] | None:
        """Disconnect the VIF. That it is already gone is no error.

        :returns: a sentence for each bridge that stays because others use it; None is none.
        """
        return self._run(self.plan_unplug(vif, instance_info).going_forward())

    def _run(self, plan: Plan) -> tuple[str, ...]:
        left: tuple[str, ...] = host.load_engine().run(plan, self.privsep_module)
        return left

    @classmethod
    def plans(cls, action: str) -> bool:
        """Whether ``plan_<action>`` tells what ``<action>`` does: ``plug`` or ``unplug``.

        It does not where ``action`` is overridden below the class that defines the plan.
        """
        definers = [
            next(index for index, c in enumerate(cls.__mro__) if name in c.__dict__)
            for name in (f"plan_{action}", action)
        ]
        plan, act = definers
        return plan <= act and cls.__mro__[plan] is not PluginBase

    @classmethod
    def _require_entry_points(cls) -> None:
        """Raise TypeError unless ``privsep_module`` has all privileged entry points.

        Without ``undo``, a plug that fails could not be rolled back.
        """
        if cls.privsep_module is None:
            return
        # The module registers the options of its daemon, such as [vif_plug_ovs_privileged].
        module = importlib.import_module(cls.privsep_module)
        lacks = [name for name in _ENTRY_POINTS if not callable(getattr(module, name, None))]
        if lacks:
            raise TypeError(
                f"{cls.privsep_module}, the privsep_module of {cls.__name__}, has no "
                f"{', '.join(lacks)}; expected: run, undo, look = vif_plug.entry_points(), with "
                "vif_plug an os_vif.host.privsep.Context"
            )

    @classmethod
    def load(cls, plugin_name: str) -> Self:
        """Make the plugin, with its options registered as ``[os_vif_<plugin_name>]``.

        The options of its privileged daemon are registered, too.

        :raises TypeError: if it neither plans nor acts.
        """
        for action in ("plug", "unplug"):
            own = getattr(cls, action) is not getattr(PluginBase, action)
            if not own and not cls.plans(action):
                raise TypeError(f"{cls.__name__} has neither plan_{action}() nor {action}()")
        cls._require_entry_points()
        if not cls.CONFIG_OPTS:
            # An empty group of a configuration of its own: none must appear in the global one.
            apart = cfg.ConfigOpts()
            apart.register_group(cfg.OptGroup("empty"))
            return cls(apart.empty)
        name = f"os_vif_{plugin_name}"
        CONF.register_group(cfg.OptGroup(name, title=f"os-vif plugin {plugin_name} options"))
        CONF.register_opts(cast("list[cfg.Opt]", list(cls.CONFIG_OPTS)), group=name)
        return cls(getattr(CONF, name))
