"""`python -m deploy.local.travelbuddy.switch away`: switch the database of a running stand-in off or on."""

import sys
import urllib.error
import urllib.request
from collections.abc import Sequence

from deploy.local.travelbuddy.command_line import DEFAULT_CONTROL_PORT, Parser, port
from deploy.local.travelbuddy.database import State

_LIMIT_S = 5.0


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0, or 1 if the stand-in does not respond."""
    parser = Parser(prog="switch", description=__doc__)
    parser.add_argument("state", choices=[state.value for state in State])
    parser.add_argument(
        "--port", type=port, default=DEFAULT_CONTROL_PORT, help="of the control listener"
    )
    options = parser.parse_args(argv)
    url = f"http://127.0.0.1:{options.port}/database"
    request = urllib.request.Request(url, options.state.encode(), method="PUT")
    # A loopback address is no address for the environment's HTTP proxy.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_LIMIT_S):
            pass
    except (urllib.error.URLError, TimeoutError) as error:
        print(f"switch: {url}: {error}", file=sys.stderr)
        return 1
    print(f"the monolith's database is {options.state}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
