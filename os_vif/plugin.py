# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The base class of os-vif plugins."""

from __future__ import annotations

import abc
import contextlib
import typing
from typing import TYPE_CHECKING, Any, Generic, Self, cast

from oslo_config import cfg

from os_vif import engine, exception
from os_vif.engine import privsep_module
from os_vif.engine.late_import import first_use
from os_vif.escape import with_article

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence
    from contextlib import AbstractContextManager

    from typing_extensions import TypeVar

    from os_vif import objects
    from os_vif.engine.memos.plan_memo import PlanMemo, PlanMemos
    from os_vif.recognition import Candidate, HostSnapshot
    from os_vif.steps.plan import Plan

CONF = cfg.CONF

if TYPE_CHECKING:
    #: The VIF class, or the union of VIF classes, that a plugin can plug.
    PluggedVIF = TypeVar("PluggedVIF", bound=objects.VIFBase, default=objects.VIFBase)

    class _OfVIF(Generic[PluggedVIF]):
        """PluginBase[objects.VIFBridge] is a plugin for a VIF class; PluginBase is for all."""
else:
    PluggedVIF = typing.TypeVar("PluggedVIF")

    class _OfVIF:
        """PluginBase[objects.VIFBridge] is PluginBase at run time."""

        def __class_getitem__(cls, vif_class: Any) -> type[Any]:
            return cls


def _no_memo(*_: object) -> None:
    """Return no memo."""


class PluginBase(_OfVIF[PluggedVIF], abc.ABC):
    """Base class of all plugins: connects VIFs to a kind of network of the host.

    A plugin is installed as an entry point of the group ``os_vif``. VIFs select the plugin by the
    name of the entry point, in their field ``plugin``. ``os_vif.initialize()`` creates one
    instance per process, and several threads may call the methods of the instance at a time.

    Subclass in one of two ways:

    * Override :meth:`plan_plug` and :meth:`plan_unplug` (recommended). The methods return a
      :class:`~os_vif.steps.plan.Plan` of steps and change nothing. The engine runs the plan in a
      privileged daemon, rolls back after a failure, and provides ``os_vif.plan()`` and
      ``os_vif.check()``.
    * Override :meth:`plug` and :meth:`unplug`, as with the public os-vif. The plugin changes the
      host and cleans up after a failure itself; ``os_vif.plan()`` and ``os_vif.check()`` raise
      :class:`~os_vif.exception.PlanNotSupported`.

    Type checkers know the class of ``vif`` in the methods of ``PluginBase[objects.VIFBridge]``, or
    of a union of classes; ``PluginBase`` alone is ``PluginBase[objects.VIFBase]``. The subscript
    has no effect at run time: a VIF of any class may select the plugin by name.

    Callers of ``os_vif.plug()`` and ``os_vif.unplug()`` receive any exception of the plugin as
    the ``__cause__`` of :class:`~os_vif.exception.PlugException` or
    :class:`~os_vif.exception.UnplugException`.
    """

    #: Options of the plugin, registered in the group ``[os_vif_<name of the plugin>]``.
    CONFIG_OPTS: Sequence[cfg.Opt] = ()

    #: Import path of the module of the privileged daemon that runs the steps. The module has the
    #: functions ``run``, ``undo`` and ``check`` of :meth:`os_vif.privsep.Context.entry_points`.
    #: Operators name ``vif_plug`` of the module in sudoers and rootwrap filters: keep the path
    #: stable. None is for plugins with empty plans, or with steps of Open vSwitch only.
    privsep_module: str | None = None

    #: The remembered plans of this plugin.
    _memos: PlanMemos | None = None

    def __init__(self, config: Any) -> None:
        """Store the options of the plugin in ``self.config``.

        :param config: the option group of the plugin, an ``oslo_config.cfg.ConfigOpts.GroupAttr``.
        """
        self.config = config

    @abc.abstractmethod
    def describe(self) -> objects.HostPluginInfo:
        """Return the VIF classes and port profiles that the plugin can plug.

        :func:`os_vif.objects.host_info.describe` creates the return value.
        """

    def plan_plug(self, vif: PluggedVIF, instance_info: objects.InstanceInfo) -> Plan:
        """Return the steps that plug a VIF. The method may read the host but must not change it.

        Each step is idempotent, so the same plan is correct for a VIF that is plugged already.

        :param vif: the VIF.
        :param instance_info: the virtual machine or pod of the VIF.
        :raises os_vif.exception.InvalidField: if a field of the VIF has an unusable value.
        :raises os_vif.exception.ExceptionBase: if the VIF cannot be plugged for another reason.
        """
        raise exception.PlanNotSupported(
            plugin_name=type(self).__name__, reason="the class has no plan_plug()"
        )

    def plan_unplug(self, vif: PluggedVIF, instance_info: objects.InstanceInfo) -> Plan:
        """Return the steps that unplug a VIF. The method may read the host but must not change it.

        The plan must also fit a VIF that is partly plugged or not plugged, and must not depend on
        options: an option may have changed since the plug. No step may need the success of an
        earlier step: if the kernel refuses a step, the remaining steps still run.

        :param vif: the VIF.
        :param instance_info: the virtual machine or pod of the VIF.
        :raises os_vif.exception.ExceptionBase: if the VIF cannot be unplugged.
        """
        raise exception.PlanNotSupported(
            plugin_name=type(self).__name__, reason="the class has no plan_unplug()"
        )

    def recognise(self, snapshot: HostSnapshot) -> Iterable[Candidate]:
        """Return the VIFs of this plugin on the host, for :func:`os_vif.inventory`. Optional.

        Return the smallest VIF with which :meth:`plan_unplug` returns the steps for the real VIF.
        Devices and ports of other programs must not be returned. Without this method, the
        inventory has the VIFs with a record in ``/run/os-vif``.

        :param snapshot: the devices, rows and records of the host. Reads of devices and rows by
            the current thread are answered from the snapshot.
        :raises Exception: of any class; the inventory then lists the VIFs of the other plugins.
        """
        del snapshot
        return ()

    def plug(self, vif: PluggedVIF, instance_info: objects.InstanceInfo) -> None:
        """Connect a VIF to its network. Idempotent: a second call changes nothing.

        The default implementation runs :meth:`plan_plug` and rolls back after a failure.

        :param vif: the VIF.
        :param instance_info: the virtual machine or pod of the VIF.
        :raises Exception: of any class; ``os_vif.plug()`` raises ``PlugException`` from it.
        """
        with self._shared_reads():
            memo = self.memo_finder()(vif, instance_info)
            if memo is None:
                planned = self.checked_plan(self.plan_plug(vif, instance_info), "plug")
                self._run(self.recorded(planned, vif, instance_info))
            elif not engine.still_holds(memo):
                planned = self.checked_plan(self.plan_plug(vif, instance_info), "plug")
                plan = self.recorded(planned, vif, instance_info)
                engine.run(plan, self.privsep_module, memo=memo)

    def memo_finder(self) -> Callable[..., PlanMemo | None]:
        """Return a function that returns the memo of the plan of a plug, given VIF and instance.

        The function uses the values of the options at the time of this call, and returns None for a
        plan that cannot be remembered. For os-vif only.

        :meta private:
        """
        read_inputs = self._plan_inputs()
        if read_inputs is None:
            return _no_memo
        with first_use:
            from os_vif.engine import recording
            from os_vif.engine.memos import plan_memo
        if self._memos is None:
            self._memos = plan_memo.PlanMemos()
        memos, of_record = self._memos, recording.inputs()

        def find_memo(
            vif: objects.VIFBase, instance_info: objects.InstanceInfo
        ) -> PlanMemo | None:
            inputs = read_inputs(vif, instance_info)
            return None if inputs is None else memos.get((of_record, inputs))

        return find_memo

    def _plan_inputs(self) -> Callable[..., Hashable | None] | None:
        """Return a function with a result that is equal for equal inputs of :meth:`plan_plug`.

        The function has the arguments of :meth:`plan_plug`. None, as the result of the method or of
        the function, means that the plan may depend on more than the VIF, the options, the rows of
        Open vSwitch, and the names of the devices of the steps. For os-vif only.
        """
        return None

    def _shared_reads(self) -> AbstractContextManager[None]:
        """Return a block in which a plan and its run share reads of the host. For os-vif only."""
        return contextlib.nullcontext()

    def unplug(
        self, vif: PluggedVIF, instance_info: objects.InstanceInfo
    ) -> tuple[str, ...] | None:
        """Disconnect a VIF from its network. Idempotent: a VIF that is not plugged is no error.

        The default implementation runs :meth:`plan_unplug`. If the kernel refuses a step, the
        remaining steps still run, and the error lists the parts that remain on the host.

        :param vif: the VIF.
        :param instance_info: the virtual machine or pod of the VIF.
        :returns: a sentence for each bridge that remains, because the bridge is still in use or
            was not created by os-vif. None means that no bridge remains.
        :raises Exception: of any class; ``os_vif.unplug()`` raises ``UnplugException`` from it.
        """
        plan = self.checked_plan(self.plan_unplug(vif, instance_info), "unplug").going_forward()
        self.forget_plan(vif, instance_info)
        return self._run(self.recorded(plan, vif, instance_info))

    def forget_plan(self, vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> None:
        """Forget the remembered plan of a plug, because an unplug changes the rows of the plan.

        A plug after the unplug would compare the rows in vain. For os-vif only.
        """
        if self._memos is not None:
            memo = self.memo_finder()(vif, instance_info)
            if memo is not None:
                memo.known = None

    @classmethod
    def checked_plan(cls, plan: Plan, action: str) -> Plan:
        """Return the result of a method that returns a plan. For os-vif only.

        :param action: ``plug`` or ``unplug``.
        :raises TypeError: if the result is no plan.
        """
        if not hasattr(plan, "going_forward"):
            raise TypeError(
                f"{cls.__name__}.plan_{action}() returns {with_article(type(plan).__name__)}; "
                "expected an os_vif.steps.Plan"
            )
        return plan

    @staticmethod
    def recorded(plan: Plan, vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> Plan:
        """Return the plan with the record of the VIF, which the engine writes or deletes."""
        with first_use:
            from os_vif.engine import recording
        return recording.with_record(plan, vif, instance_info)

    def _run(self, plan: Plan) -> tuple[str, ...]:
        """Run a plan in the privileged daemon of the plugin.

        :returns: a sentence for each bridge that remains after an unplug.
        """
        return engine.run(plan, self.privsep_module)

    @classmethod
    def has_plan_for(cls, action: str) -> bool:
        """Return whether ``plan_<action>()`` returns the steps that ``<action>()`` runs.

        The result is False if a subclass overrides ``<action>()`` of the class with the plan.

        :param action: ``plug`` or ``unplug``.
        """
        for definer in cls.__mro__:
            if f"plan_{action}" in vars(definer):
                return definer is not PluginBase
            if action in vars(definer):
                break
        return False

    @classmethod
    def _require_entry_points(cls) -> None:
        """Raise TypeError unless ``privsep_module`` has all privileged entry points.

        Without ``undo``, a plug that fails could not be rolled back.
        """
        if cls.privsep_module is None:
            return
        # The import registers the options of the daemon, such as [vif_plug_ovs_privileged].
        if missing := privsep_module.missing_entry_points(cls.privsep_module):
            raise TypeError(
                f"{cls.privsep_module}, the privsep_module of {cls.__name__}, has no "
                f"{', '.join(missing)}; expected: run, undo, check = vif_plug.entry_points(), with "
                "vif_plug an os_vif.privsep.Context"
            )

    @classmethod
    def load(cls, plugin_name: str) -> Self:
        """Create the plugin. Called once by ``os_vif.initialize()``.

        Registers ``CONFIG_OPTS`` as the group ``[os_vif_<plugin_name>]``, and the options of the
        privileged daemon.

        :param plugin_name: the name of the entry point.
        :raises TypeError: if the class has neither a plan nor an implementation of ``plug()`` or
            ``unplug()``, or if ``privsep_module`` lacks an entry point.
        """
        for action in ("plug", "unplug"):
            is_overridden = getattr(cls, action) is not getattr(PluginBase, action)
            if not is_overridden and not cls.has_plan_for(action):
                raise TypeError(f"{cls.__name__} has neither plan_{action}() nor {action}()")
        cls._require_entry_points()
        return cls.create(plugin_name)

    @classmethod
    def create(cls, plugin_name: str) -> Self:
        """Create the plugin with its options, without the module of the privileged daemon.

        :param plugin_name: the name of the entry point.
        """
        if not cls.CONFIG_OPTS:
            # An empty group of a private configuration: an empty group must not appear in CONF.
            private = cfg.ConfigOpts()
            private.register_group(cfg.OptGroup("empty"))
            return cls(private.empty)
        name = f"os_vif_{plugin_name}"
        CONF.register_group(cfg.OptGroup(name, title=f"os-vif plugin {plugin_name} options"))
        CONF.register_opts(cast("list[cfg.Opt]", list(cls.CONFIG_OPTS)), group=name)
        return cls(getattr(CONF, name))
