"""What the chart makes of values, and the values that the tests start from."""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

TREE = Path(__file__).parents[2]
CHART = TREE / "deploy" / "chart"
GOLDEN = Path(__file__).parent / "golden"
NAMESPACE = "flightspecials"
_RESPONSE_TIMEOUT_S = 30.0

Values = dict[str, Any]
Manifest = dict[str, Any]

BUILD = {
    "CODEBUILD_BUILD_NUMBER": "42",
    "ECR_REPO_URI": "123456789012.dkr.ecr.ap-northeast-2.amazonaws.com/m2m-flightspecial",
    "IMAGE_TAG": "t1a2b3c",
    "DATABASE_ENDPOINT": "flightspecial.example.ap-northeast-2.rds.amazonaws.com",
    "DATABASE_PORT": "5432",
    "DATABASE_USERNAME": "flightspecial_db_credentials_test",
}
"""What the build of the guide exports."""


class Refused(Exception):
    """Helm did not render; the text is what it says."""


class Helm:
    """Helm's own code, in a process beside."""

    def __init__(self, process: "subprocess.Popen[str]", reader: ThreadPoolExecutor) -> None:
        self._process = process
        self._reader = reader

    def files(
        self, values: Values, namespace: str = NAMESPACE, release: str = "flightspecials"
    ) -> dict[str, str]:
        """The text of each template by its path below `templates/`. Raises Refused."""
        response = self._ask(do="render", values=values, namespace=namespace, release=release)
        if "refused" in response:
            raise Refused(response["refused"])
        files: dict[str, str] = response["files"]
        return {path.partition("/templates/")[2]: text for path, text in sorted(files.items())}

    def manifests(self, values: Values, **where: str) -> list[Manifest]:
        """The objects, in the order of the files. Raises Refused."""
        return [
            manifest
            for path, text in self.files(values, **where).items()
            if path.endswith(".yaml")
            for manifest in yaml.load_all(text, yaml.CSafeLoader)
            if manifest is not None
        ]

    def lint(self, values: Values) -> dict[str, Any]:
        """The report of `helm lint`."""
        report: dict[str, Any] = self._ask(do="lint", values=values, namespace=NAMESPACE)["report"]
        return report

    def _ask(self, **asked: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        line = self._reader.submit(self._process.stdout.readline).result(_RESPONSE_TIMEOUT_S)
        assert line, "Helm's process has ended"
        response: dict[str, Any] = json.loads(line)
        return response


def refusal(helm: Helm, values: Values, **where: str) -> list[str]:
    """The sentences with which the chart refuses these values."""
    with pytest.raises(Refused) as refused:
        helm.files(values, **where)
    return [line[2:] for line in str(refused.value).splitlines() if line.startswith("- ")]


@contextmanager
def helm_running() -> Iterator[Helm]:
    """Its process, for the block."""
    command = [sys.executable, "-m", "tests.deploy.helm_process"]
    with (
        ThreadPoolExecutor(1) as reader,
        subprocess.Popen(
            command, cwd=TREE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        try:
            yield Helm(process, reader)
        finally:
            process.kill()


def substituted(template: Path, variables: Mapping[str, str]) -> str:
    """What the real `envsubst` makes of a file, with these variables and no others."""
    return subprocess.run(
        ["envsubst"],
        input=template.read_text(),
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    ).stdout


def built_values() -> Values:
    """The values as the build of the guide leaves them."""
    values: Values = yaml.load(substituted(CHART / "values-template.yaml", BUILD), yaml.CSafeLoader)
    return values


def changed(values: Values, **changes: Any) -> Values:
    """A copy in which `service__image__tag="x"` stands for `service: {image: {tag: x}}`."""
    made = copy.deepcopy(values)
    for place, value in changes.items():
        *blocks, last = place.split("__")
        block = made
        for name in blocks:
            block = block[name]
        block[last] = value
    return made


def scenario_values(name: str) -> Values:
    """The values of one of SCENARIOS, whose whole output is kept in `golden/`."""
    return SCENARIOS[name](built_values())


def _plain(seed: Values) -> Values:
    """The service alone, without AWS, Argo Rollouts and a load balancer."""
    return changed(
        seed,
        environment="local",
        database__username="postgres",
        database__existingSecret="flightspecials-database",
        service__kind="Deployment",
        service__ingress__enabled=False,
        service__disruptionBudget__enabled=False,
        facade__enabled=False,
        migration__enabled=False,
        networkPolicy__enabled=False,
    )


def _everything(seed: Values) -> Values:
    """All that can be switched on, and lists with something in them."""
    peers = [{"ipBlock": {"cidr": "10.0.0.0/16"}}]
    return changed(
        seed,
        image__digest="sha256:" + "0" * 64,
        imagePullSecrets=["registry"],
        database__existingSecret="more-variables",
        database__maxConnections=200,
        database__sslmode="require",
        database__rootCertificates="database-certificates",
        database__schemaAhead="refuse",
        service__autoscaling__enabled=True,
        service__settings={
            "CORS_ALLOW_ORIGINS": "https://shop.example,http://localhost:3000",
            "FEATURE_HEADER_UPDATE": "off",
            "SLOW_QUERY_MS": "250",
        },
        service__apiToken__existingSecret="writers",
        service__serviceAccount__roleArn="arn:aws:iam::123456789012:role/flightspecials",
        facade__kind="Rollout",
        facade__image__tag="t9z8y7x",
        facade__workers=2,
        facade__autoscaling__enabled=True,
        facade__backends={"legacy": "http://10.0.12.7:8080"},
        facade__admin__existingSecret="facade-admin",
        facade__rollout__route="flightspecials",
        facade__ingress__enabled=True,
        ingress__annotations={"alb.ingress.kubernetes.io/ssl-redirect": "443"},
        networkPolicy__trafficFrom=peers,
        networkPolicy__databaseTo=peers,
        networkPolicy__legacyTo=[],
        serviceMonitor={"enabled": True, "interval": "30s", "labels": {"release": "prometheus"}},
        analysis__enabled=True,
        analysis__prometheusAddress="http://prometheus-operated.monitoring:9090",
        nodeSelector={"kubernetes.io/arch": "amd64"},
        tolerations=[{"key": "spot", "operator": "Exists", "effect": "NoSchedule"}],
    )


SCENARIOS: Mapping[str, Callable[[Values], Values]] = {
    "seed": lambda seed: seed,
    "plain": _plain,
    "everything": _everything,
}


def whole_text(files: Mapping[str, str]) -> str:
    """All files as one text, without empty documents."""
    pieces = []
    for path, text in files.items():
        for document in text.split("\n---\n"):
            if path.endswith(".yaml") and yaml.load(document, yaml.CSafeLoader) is not None:
                pieces.append(f"---\n# {path}\n{document.strip()}\n")
    return "".join(pieces)
