"""moto's server: AWS on a free port of this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

REGION = "ap-northeast-2"


@contextmanager
def moto_running(*first_operations: tuple[str, str]) -> Iterator[str]:
    """Its address. Each (service, operation) is called once: moto imports a service on its first request, which may
    take longer than a client waits.
    """
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        for service, operation in first_operations:
            user = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
            client: Any = boto3.client(service, REGION, endpoint_url=url, **user)  # type: ignore[call-overload]
            getattr(client, operation)()
        yield url
    finally:
        server.stop()


def moto_environment(url: str) -> dict[str, str]:
    """The variables with which boto3 uses this server."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
