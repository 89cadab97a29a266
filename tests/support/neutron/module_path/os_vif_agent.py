# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""An agent that reports the offer of a host to neutron, once.

``python -m os_vif_agent STATE OPTIONS`` sends the JSON file STATE by the RPC of neutron's agents.
"""

import json
import pathlib
import sys

from neutron.agent import rpc
from neutron.common import config
from neutron.conf.agent import common
from neutron_lib import context
from neutron_lib.agent import topics
from oslo_config import cfg


def main(state: str, *options: str) -> None:
    config.register_common_config_options()
    # The interval is also the limit for a reply.
    common.register_agent_state_opts_helper(cfg.CONF)
    config.init(options)
    config.setup_logging()
    reporter = rpc.PluginReportStateAPI(topics.REPORTS)
    reported = json.loads(pathlib.Path(state).read_text(encoding="utf-8"))
    reporter.report_state(context.get_admin_context_without_session(), reported, use_call=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
