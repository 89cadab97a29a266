# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Exceptions of ``vif_plug_ovs``, without the deprecation warning of ``vif_plug_ovs.exception``."""

from os_vif.exception import ExceptionBase


class AgentError(ExceptionBase):
    msg_fmt = "The agent failed at: %(method)s"


class MissingPortProfile(ExceptionBase):
    msg_fmt = "The VIF has no port profile; expected a VIFPortProfileOpenVSwitch."


class WrongPortProfile(ExceptionBase):
    msg_fmt = "The port profile is a %(profile)s; expected a VIFPortProfileOpenVSwitch."


class RepresentorNotFound(ExceptionBase):
    msg_fmt = "Virtual function %(vf_num)s of %(ifname)s has no representor."


class PciDeviceNotFoundById(ExceptionBase):
    msg_fmt = "PCI device %(id)s does not exist, or is not of the expected kind."


class TapCreationNotSupported(ExceptionBase):
    msg_fmt = "os-vif creates no tap device for a %(vif_type)s; expected a VIFOpenVSwitch."
