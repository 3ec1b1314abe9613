"""`make story`: plays the method on the local stack, and prints what happens.

    python -m deploy.story [--quick]

The exit status is 0 if no write was lost, and no request failed.
"""

import sys
import tempfile
from pathlib import Path

from deploy.story.newcomer import deployed
from deploy.story.play import Story
from deploy.story.stack import NotUp, Ports, free_ports, up
from deploy.story.tables import Tables
from deploy.story.traffic import running


def main(arguments: list[str]) -> int:
    """Play the story."""
    analysis = "{}" if "--quick" in arguments else "{duration: 20s}"
    ports = Ports(*free_ports(4))
    try:
        with tempfile.TemporaryDirectory() as folder, deployed(ports.service) as newcomer:
            tables = Tables(ports.legacy, ports.service, newcomer.url, analysis)
            with up(Path(folder), ports, tables.proxy) as stack, running(ports.facade) as traffic:
                return Story(stack, tables, newcomer, traffic, print).play()
    except NotUp as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
