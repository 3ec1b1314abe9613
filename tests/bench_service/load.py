"""The load of `tests.bench` with the requests of this bench. argv: port connections seconds question."""

import json
import sys

from tests.bench.load import Load, measured
from tests.bench.wire import Requests

_BODY = b'{"id":1,"flightSpecialHeader":"London to Prague"}'
QUESTIONS = {
    "list": b"GET /flightspecials HTTP/1.1\r\nhost: b\r\n\r\n",
    "one": b"GET /flightspecials/1 HTTP/1.1\r\nhost: b\r\n\r\n",
    "header": b"POST /flightspecials/1/header HTTP/1.1\r\nhost: b\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(_BODY), _BODY),
}


def main(argv: list[str]) -> None:
    port, connections, seconds, question = argv
    load = Load(int(port), Requests([QUESTIONS[question]]), int(connections))
    print(json.dumps(measured(load, float(seconds))))


if __name__ == "__main__":
    main(sys.argv[1:])
