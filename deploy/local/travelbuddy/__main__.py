"""`python -m deploy.local.travelbuddy --host 127.0.0.1 --port 8082`: the stand-in as a process."""

import os
import sys
from collections.abc import Sequence

from deploy.local.travelbuddy.app import travelbuddy
from deploy.local.travelbuddy.command_line import Parser, port
from deploy.local.travelbuddy.database import BadState, Database, control, state_at_start
from deploy.local.travelbuddy.server import run, server


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = Parser(prog="travelbuddy", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=port, default=8082, metavar="0..65535")
    parser.add_argument(
        "--control-port",
        type=port,
        metavar="0..65535",
        help="of the control listener on 127.0.0.1, which takes the database away; none by default",
    )
    options = parser.parse_args(argv)
    try:
        database = Database(state_at_start(os.environ))
    except BadState as error:
        parser.error(str(error))
    servers = [server(travelbuddy(database), options.host, options.port)]
    if options.control_port is not None:
        servers.append(server(control(database), "127.0.0.1", options.control_port))
    run(servers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
