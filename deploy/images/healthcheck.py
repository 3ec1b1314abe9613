"""Whether this container responds: `healthcheck.py PORT PATH` ends with 0 if GET gets a 200, else with 1.

Only the standard library, in one file: it runs every few seconds, and has to start fast.
"""

import http.client
import sys

_TIMEOUT_S = 2.0
_SHOWN_BYTES = 500


def main(argv: list[str]) -> int:
    """Request the path from 127.0.0.1. `docker inspect` shows the output, with the reason of a failure."""
    port, path = argv
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        text = response.read(_SHOWN_BYTES).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        print(f"port {port} does not answer {path}: {error}")
        return 1
    finally:
        connection.close()
    print(f"{response.status} {text}")
    return 0 if response.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
