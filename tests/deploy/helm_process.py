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


def answered(chart: Chart, asked: dict[str, Any]) -> dict[str, Any]:
    """What Helm says to one request."""
    if asked["do"] == "lint":
        return {"report": lint(CHART, values=asked["values"], namespace=asked["namespace"])}
    try:
        files = chart.render(
            values=asked["values"], name=asked["release"], namespace=asked["namespace"]
        )
    except HelmError as refused:
        return {"refused": str(refused)}
    return {"files": files}


def main() -> None:
    """Answer until the input ends."""
    # Helm logs to standard output's neighbours as it likes: the answers get a descriptor of their own.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with Chart.load(CHART) as chart:
        for line in sys.stdin:
            answers.write(json.dumps(answered(chart, json.loads(line))) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
