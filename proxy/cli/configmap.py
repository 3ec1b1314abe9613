"""`facade configmap`: put the table on standard input into a ConfigMap. For `facade rollout run --apply`, inside a pod.

It needs one right: to patch this one ConfigMap. The credentials are those of the pod's service account.
"""

import argparse
import json
import os
import ssl
import sys
from pathlib import Path

from proxy.cli.output import safe
from proxy.errors import FacadeError

_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_MAX_TABLE_BYTES = 1024 * 1024
"""The limit of Kubernetes for all of a ConfigMap."""
_TIMEOUT_S = 20.0


def register(command: argparse.ArgumentParser) -> None:
    """Add the description and the arguments of the command."""
    command.description = __doc__
    command.add_argument("name", metavar="NAME", help="the ConfigMap, in the namespace of the pod")
    command.add_argument("--key", default="routes.yaml", metavar="KEY", help="the key of the table")
    command.add_argument(
        "--credentials", type=Path, default=_FOLDER, metavar="FOLDER",
        help="where token, ca.crt and namespace of the service account are",
    )  # fmt: skip
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Replace the key of the ConfigMap. Raises FacadeError."""
    table = sys.stdin.buffer.read(_MAX_TABLE_BYTES + 1)
    if not table or len(table) > _MAX_TABLE_BYTES:
        raise FacadeError("the table on standard input is empty, or too long for a ConfigMap")
    namespace = _read(arguments.credentials / "namespace")
    _patch(arguments, namespace, table.decode())
    if arguments.json:
        print(json.dumps({"namespace": namespace, "name": arguments.name, "key": arguments.key}))
    else:
        print(f"ConfigMap {safe(namespace)}/{safe(arguments.name)} has the table")
    return 0


def _patch(arguments: argparse.Namespace, namespace: str, table: str) -> None:
    import httpx  # Takes 100 ms, and no other command needs it.

    folder: Path = arguments.credentials
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "")
    if not host:
        raise FacadeError("KUBERNETES_SERVICE_HOST is not set: this command runs inside a pod")
    host = f"[{host}]" if ":" in host else host
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    url = f"https://{host}:{port}/api/v1/namespaces/{namespace}/configmaps/{arguments.name}"
    headers = {
        "authorization": f"Bearer {_read(folder / 'token')}",
        "content-type": "application/merge-patch+json",
    }
    try:
        trust = ssl.create_default_context(cafile=folder / "ca.crt")
        with httpx.Client(trust_env=False, timeout=_TIMEOUT_S, verify=trust) as client:
            response = client.patch(url, headers=headers, json={"data": {arguments.key: table}})
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise FacadeError(f"{safe(url)} cannot be reached: {safe(str(error))}") from None
    if response.status_code != 200:
        text = safe(response.text[:200])
        raise FacadeError(f"{safe(url)} answered {response.status_code}: {text}")


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise FacadeError(
            f"{path}: {error.strerror or error}: is this a pod with a service account?"
        ) from None
