"""The chart agrees with the programs that it runs: what it tells them is what they read."""

import argparse
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from flightspecial_service.server import GRACE_S
from flightspecial_service.settings import Settings, read_settings
from proxy.cli import parse
from proxy.cli.serve_options import OPTIONS, add_options
from proxy.cli.serve_options import read_settings as facade_settings
from proxy.config.load import load
from proxy.server.settings import parse_address, parse_replicas, parse_seconds, read_token
from tests.deploy.reading import config_of, container, named, pod, variables, workloads
from tests.deploy.rendering import CHART, SCENARIOS, TREE, Helm, Values, changed, scenario_values

every_scenario = pytest.mark.parametrize("scenario", SCENARIOS)

# Read by botocore, which finds region and role by itself.
OF_AWS = {"AWS_DEFAULT_REGION"}


def service_settings(found: dict[str, str]) -> Settings:
    """The settings of the service, without a file that is in the pod only."""
    return read_settings({name: found[name] for name in found if name != "DB_SSLROOTCERT"})


@every_scenario
def test_the_service_takes_the_settings_it_gets(helm: Helm, scenario: str) -> None:
    manifests = helm.manifests(scenario_values(scenario))
    config = config_of(manifests)
    found = variables(workloads(manifests)["flightspecials"], config)
    settings = service_settings(found)
    assert settings.database.host == config["database_endpoint"]
    assert settings.database.secret_id == (
        config["database_username"] if settings.profile == "test" else ""
    )
    assert settings.drain_s == 15
    assert settings.build == "42"


@every_scenario
def test_every_variable_is_one_that_its_program_reads(helm: Helm, scenario: str) -> None:
    manifests = helm.manifests(scenario_values(scenario))
    of_facade = {option.variable for option in OPTIONS}
    page = (TREE / "docs" / "service.md").read_text()
    of_service = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", page)) | OF_AWS
    config = config_of(manifests)
    for name, workload in workloads(manifests).items():
        known = of_facade if name in ("facade", "facade-rollout") else of_service
        assert set(variables(workload, config)) <= known, name


def test_the_migrations_find_the_same_database_as_the_service(helm: Helm, values: Values) -> None:
    manifests = helm.manifests(values)
    config = config_of(manifests)
    service, migration = (
        read_settings(variables(workloads(manifests)[name], config))
        for name in ("flightspecials", "flightspecials-migration")
    )
    assert repr(migration.database) == repr(service.database)
    (job,) = [m for m in manifests if m["kind"] == "Job"]
    # They run before the ConfigMap is that of the release.
    assert not [each for each in container(job)["env"] if "valueFrom" in each]
    assert container(job)["args"] == ["migrate"]
    assert container(job)["image"] == container(workloads(manifests)["flightspecials"])["image"]


def test_both_find_the_root_certificates_where_they_are_mounted(helm: Helm, values: Values) -> None:
    manifests = helm.manifests(
        changed(values, database__sslmode="verify-full", database__rootCertificates="roots")
    )
    for name in ("flightspecials", "flightspecials-migration"):
        workload = workloads(manifests)[name]
        found = variables(workload, config_of(manifests))
        assert found["DB_SSLMODE"] == "verify-full"
        [mount] = [
            each
            for each in container(workload)["volumeMounts"]
            if found["DB_SSLROOTCERT"] == f"{each['mountPath']}/root.pem"
        ]
        [volume] = [each for each in pod(workload)["volumes"] if each["name"] == mount["name"]]
        assert volume["configMap"] == {"name": "roots"}


def _probed(probe: dict[str, Any]) -> tuple[str, str]:
    """The path and the port that a probe asks."""
    if "httpGet" in probe:
        return probe["httpGet"]["path"], probe["httpGet"]["port"]
    *_, script, port, path = probe["exec"]["command"]
    assert script == "/opt/healthcheck.py"
    return path, port


@pytest.mark.parametrize("secret", ["", "facade-admin"])
def test_probes_request_paths_that_the_programs_serve(
    helm: Helm, values: Values, secret: str
) -> None:
    made = helm.manifests(changed(values, facade__admin__existingSecret=secret))
    expected = {"flightspecials": "operations", "facade": "admin" if secret else "9901"}
    for name, port in expected.items():
        probes = container(workloads(made)[name])
        assert _probed(probes["startupProbe"]) == ("/healthz", port)
        assert _probed(probes["livenessProbe"]) == ("/healthz", port)
        assert _probed(probes["readinessProbe"]) == ("/readyz", port)


def test_both_programs_have_these_paths() -> None:
    admin = (TREE / "proxy" / "server" / "admin" / "app.py").read_text()
    service = (
        TREE / "flightspecial_service" / "interface" / "api" / "operations_listener.py"
    ).read_text()
    for path in ("/healthz", "/readyz"):
        assert f'"{path}"' in admin
        assert f'"{path}"' in service


@every_scenario
def test_listeners_are_on_the_ports_that_the_pod_names(helm: Helm, scenario: str) -> None:
    manifests = helm.manifests(scenario_values(scenario))
    config = config_of(manifests)
    pods = workloads(manifests)
    service = container(pods["flightspecials"])
    assert service["args"] == ["serve", "--host", "0.0.0.0", "--port", "8080"]
    service_ports = {p["name"]: p["containerPort"] for p in service["ports"]}
    edge = service_settings(variables(pods["flightspecials"], config)).edge
    assert edge.operations_host == "0.0.0.0"
    assert service_ports == {"http": 8080, "operations": edge.operations_port}
    if "facade" not in pods:
        return
    facade = container(pods["facade"])
    ports = {p["name"]: p["containerPort"] for p in facade["ports"]}
    found = variables(pods["facade"], config)
    assert str(parse_address(found["FACADE_LISTEN"])) == f"0.0.0.0:{ports['http']}"
    admin = parse_address(found["FACADE_ADMIN"])
    # Open to others exactly if there is a token to ask for: `serve` refuses anything else.
    assert admin.is_loopback is ("FACADE_ADMIN_TOKEN_FILE" not in found)
    assert admin.is_loopback is ("admin" not in ports)
    assert admin.port == 9901


def test_the_admin_token_is_a_mounted_file_of_the_named_secret(
    helm: Helm, values: Values, tmp_path: Path
) -> None:
    made = helm.manifests(changed(values, facade__admin__existingSecret="facade-admin"))
    facade = workloads(made)["facade"]
    file = Path(variables(facade, config_of(made))["FACADE_ADMIN_TOKEN_FILE"])
    (mount,) = [m for m in container(facade)["volumeMounts"] if m["mountPath"] == str(file.parent)]
    (volume,) = [v for v in pod(facade)["volumes"] if v["name"] == mount["name"]]
    assert volume["secret"]["secretName"] == "facade-admin"
    assert volume["secret"]["items"] == [{"key": "token", "path": file.name}]
    assert not [m for m in made if m["kind"] == "Secret"]
    # As the page tells to make it.
    (tmp_path / file.name).write_text("0123456789abcdef" * 4)
    assert read_token(tmp_path / file.name).matches(b"0123456789abcdef" * 4)


@pytest.mark.parametrize("monitored", [True, False])
def test_replicas_are_asked_through_a_service_that_has_all_of_them(
    helm: Helm, values: Values, monitored: bool
) -> None:
    changes = changed(values, facade__admin__existingSecret="facade-admin")
    made = helm.manifests(changed(changes, serviceMonitor__enabled=monitored))
    facade = workloads(made)["facade"]
    (url,) = parse_replicas(variables(facade, config_of(made))["FACADE_REPLICAS"])
    service = named(made, "Service", "facade-admin")["spec"]
    assert url == f"http://facade-admin:{service['ports'][0]['port']}"
    assert service["clusterIP"] == "None"
    labels = facade["spec"]["template"]["metadata"]["labels"].items()
    assert service["selector"].items() <= labels
    rules = named(made, "NetworkPolicy", "facade")["spec"]
    peers = {"podSelector": {"matchLabels": service["selector"]}}
    for direction, member in (("ingress", "from"), ("egress", "to")):
        assert [{"port": 9901, "protocol": "TCP"}] in [
            rule["ports"] for rule in rules[direction] if rule.get(member) == [peers]
        ]


def test_without_an_admin_token_no_replica_is_asked(helm: Helm, values: Values) -> None:
    made = helm.manifests(values)
    assert "FACADE_REPLICAS" not in variables(workloads(made)["facade"], config_of(made))


@pytest.mark.parametrize(("drain", "pause"), [(0, 0), (15, 10), (600, 600)])
def test_a_pod_has_longer_than_its_program_takes_to_stop(
    helm: Helm, values: Values, drain: int, pause: int
) -> None:
    made = helm.manifests(
        changed(
            values,
            service__drainSeconds=drain,
            facade__drainSeconds=drain,
            facade__pauseSeconds=pause,
        )
    )
    config, pods = config_of(made), workloads(made)
    service = read_settings(variables(pods["flightspecials"], config))
    assert pod(pods["flightspecials"])["terminationGracePeriodSeconds"] > service.drain_s + GRACE_S
    found = variables(pods["facade"], config)
    paused = parse_seconds(found["FACADE_PAUSE"], "0s", "10m")
    drained = parse_seconds(found["FACADE_DRAIN"], "0s", "1h")
    assert (paused, drained) == (pause, drain)
    # docs/operations.md asks for more than 10 s beside them.
    assert pod(pods["facade"])["terminationGracePeriodSeconds"] > paused + drained + 10


def test_the_user_is_the_one_of_the_images(helm: Helm, values: Values) -> None:
    dockerfile = (TREE / "deploy" / "images" / "Dockerfile").read_text()
    context = pod(workloads(helm.manifests(values))["facade"])["securityContext"]
    assert f"USER {context['runAsUser']}:{context['runAsGroup']}" in dockerfile


def test_the_facade_loads_the_route_table_of_the_chart(helm: Helm, values: Values) -> None:
    text = named(helm.manifests(values), "ConfigMap", "facade-routes")["data"]["routes.yaml"]
    assert text == (CHART / "routes.yaml").read_text()
    loaded = load(text.encode(), "routes.yaml")
    assert loaded.report.coverage == 100
    assert loaded.warnings == ()


def test_the_table_names_services_that_exist(helm: Helm, values: Values) -> None:
    table = yaml.safe_load((CHART / "routes.yaml").read_text())
    named(helm.manifests(values), "Service", "flightspecials-service")
    assert table["backends"]["flightspecials"]["url"] == "http://flightspecials-service"
    assert table["backends"]["legacy"]["url"] == "http://travelbuddy-service.travelbuddy"
    health = next(route for route in table["routes"] if route["name"] == "facade-health")
    assert health["match"]["path"]["exact"] == values["facade"]["ingress"]["healthCheckPath"]


@pytest.mark.parametrize(
    "text", ["a: 1\n  \n# x\nroutes: [1]\n", "  routes: [1]", "routes: [1]\n\n"]
)
def test_a_table_that_is_given_arrives_as_it_is(helm: Helm, values: Values, text: str) -> None:
    made = helm.manifests(changed(values, facade__routes=text))
    assert named(made, "ConfigMap", "facade-routes")["data"]["routes.yaml"] == text


def test_a_new_route_table_replaces_no_pod_and_reaches_the_old_ones(
    helm: Helm, values: Values
) -> None:
    before = workloads(helm.manifests(values))["facade"]
    text = (CHART / "routes.yaml").read_text().replace("kill_switch: false", "kill_switch: true")
    after = workloads(helm.manifests(changed(values, facade__routes=text)))["facade"]
    assert after == before
    (mount,) = [m for m in container(before)["volumeMounts"] if m["name"] == "routes"]
    # Mounted by subPath, or as immutable, it would stay as it was when the pod started.
    assert "subPath" not in mount
    assert variables(before, {})["FACADE_ROUTES"] == f"{mount['mountPath']}/routes.yaml"


def test_the_analysis_asks_for_metrics_that_the_service_has(helm: Helm) -> None:
    made = helm.manifests(scenario_values("everything"))
    template = named(made, "AnalysisTemplate", "flightspecials-canary")
    query = template["spec"]["metrics"][0]["provider"]["prometheus"]["query"]
    telemetry = (TREE / "flightspecial_service" / "telemetry.py").read_text()
    assert set(re.findall(r"flightspecials_\w+", query)) == {"flightspecials_http_requests_total"}
    assert '"flightspecials_http_requests_total",\n' in telemetry
    assert '("method", "route", "status")' in telemetry
    # The one brace pair that is Argo's, and not Helm's.
    assert query.count("{{args.canary-hash}}") == 2
    analysis = named(made, "Rollout", "flightspecials")["spec"]["strategy"]["canary"]["analysis"]
    assert analysis["templates"] == [{"templateName": "flightspecials-canary"}]
    monitor = named(made, "ServiceMonitor", "flightspecials")["spec"]
    assert monitor["podTargetLabels"] == ["rollouts-pod-template-hash"]
    scraped = named(made, "Service", "flightspecials-operations")
    assert monitor["selector"]["matchLabels"].items() <= scraped["metadata"]["labels"].items()
    taking_traffic = named(made, "Service", "flightspecials-service")
    for service in (scraped, taking_traffic):
        matches = (
            monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        )
        assert matches is (service is scraped)
    assert [each["port"] for each in monitor["endpoints"]] == ["operations"]
    assert [each["port"] for each in taking_traffic["spec"]["ports"]] == [80]


@pytest.mark.parametrize(
    ("changes", "writes", "note"),
    [
        pytest.param({}, False, "deleting specials is off (501)", id="as it comes"),
        pytest.param(
            {"service__apiToken__existingSecret": "writers"},
            True,
            "needs the token of the Secret writers",
            id="a token",
        ),
        pytest.param(
            {"service__settings": {"FEATURE_SPECIAL_WRITES": "on"}},
            True,
            "WARNING: everybody can create, change and delete specials",
            id="open to all",
        ),
        pytest.param(
            {
                "service__apiToken__existingSecret": "writers",
                "service__settings": {"FEATURE_SPECIAL_WRITES": "off"},
            },
            False,
            "deleting specials is off (501)",
            id="a token, and off",
        ),
    ],
)
def test_the_notes_tell_who_may_write(
    helm: Helm, values: Values, changes: dict[str, Any], writes: bool, note: str
) -> None:
    values = changed(values, **changes)
    made = helm.manifests(values)
    found = variables(workloads(made)["flightspecials"], config_of(made))
    assert read_settings(found).edge.special_writes is writes
    assert note in helm.files(values)["NOTES.txt"]


def test_the_api_token_is_a_mounted_file_of_the_named_secret(helm: Helm, values: Values) -> None:
    made = helm.manifests(changed(values, service__apiToken__existingSecret="writers"))
    service = workloads(made)["flightspecials"]
    file = Path(variables(service, config_of(made))["API_TOKEN_FILE"])
    mounts = container(service)["volumeMounts"]
    (mount,) = [each for each in mounts if each["mountPath"] == str(file.parent)]
    assert "subPath" not in mount
    (volume,) = [each for each in pod(service)["volumes"] if each["name"] == mount["name"]]
    assert volume["secret"]["secretName"] == "writers"
    assert volume["secret"]["items"] == [{"key": "token", "path": file.name}]


def test_the_runner_takes_the_options_it_gets(helm: Helm) -> None:
    runner = container(
        named(helm.manifests(scenario_values("everything")), "Job", "facade-rollout")
    )
    arguments = parse(runner["args"])
    assert (arguments.rollout_command, arguments.route) == ("run", "flightspecials")
    assert arguments.wait
    words = shlex.split(arguments.apply)
    assert words[0] == "facade"
    assert parse(words[1:]).name == "facade-routes"


def test_the_facade_takes_the_options_it_gets(helm: Helm, tmp_path: Path) -> None:
    manifests = helm.manifests(scenario_values("everything"))
    facade = workloads(manifests)["facade"]
    token = tmp_path / "token"
    token.write_text("0123456789abcdef" * 4)
    found = variables(facade, {}) | {"FACADE_ADMIN_TOKEN_FILE": str(token)}
    parser = argparse.ArgumentParser()
    add_options(parser)
    command, *options = container(facade)["args"]
    assert command == "serve"
    settings = facade_settings(parser.parse_args(options), found)
    assert [name for name, _ in settings.backends] == ["legacy"]
    assert settings.workers == 2
    assert settings.access_log == "-"
    assert settings.admin_token is not None
