"""A process that renders the chart with Helm's own code: a line of JSON in, a line of JSON out.

Apart from the tests' process, because Helm brings the runtime of Go with its threads: what forks beside those,
other tests of this suite among them, is warned of by Python 3.12 and later.
"""

import json
import os
import sys
from typing import Any

from helm_python.chart import Chart, lint
from helm_python.errors import HelmError

from tests.deploy.rendering import CHART


def response_to(chart: Chart, request: dict[str, Any]) -> dict[str, Any]:
    """What Helm says to one request."""
    if request["do"] == "lint":
        return {"report": lint(CHART, values=request["values"], namespace=request["namespace"])}
    try:
        files = chart.render(
            values=request["values"], name=request["release"], namespace=request["namespace"]
        )
    except HelmError as refused:
        return {"refused": str(refused)}
    return {"files": files}


def main() -> None:
    """Respond to requests until the input ends."""
    # Helm logs to standard output's neighbours as it likes: the responses get a descriptor of their own.
    responses = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with Chart.load(CHART) as chart:
        for line in sys.stdin:
            responses.write(json.dumps(response_to(chart, json.loads(line))) + "\n")
            responses.flush()


if __name__ == "__main__":
    main()
