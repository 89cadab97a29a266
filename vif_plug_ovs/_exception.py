# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Errors of the old functions, and of the plugins that were written for them."""

from os_vif.exception import ExceptionBase


class AgentError(ExceptionBase):
    msg_fmt = "The agent failed at: %(method)s"


class MissingPortProfile(ExceptionBase):
    msg_fmt = "A VIF of Open vSwitch needs a port profile."


class WrongPortProfile(ExceptionBase):
    msg_fmt = "%(profile)s is no port profile of Open vSwitch (VIFPortProfileOpenVSwitch)."


class RepresentorNotFound(ExceptionBase):
    msg_fmt = "Virtual function %(vf_num)s of %(ifname)s has no representor."


class PciDeviceNotFoundById(ExceptionBase):
    msg_fmt = "There is no PCI device %(id)s, or it is not what it should be."


class TapCreationNotSupported(ExceptionBase):
    msg_fmt = "A %(vif_type)s has no tap device of its own; a VIFOpenVSwitch has."
