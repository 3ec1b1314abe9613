"""Values that the chart refuses: settings, and what belongs together."""

from typing import Any

import pytest
import yaml

from tests.deploy.rendering import CHART, Helm, Values, changed, refusal, substituted

AUTOSCALING = {"minReplicas": 3, "maxReplicas": 2, "targetCPUUtilizationPercentage": 70}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param(
            {"service__autoscaling": {"enabled": True, **AUTOSCALING}},
            "service.autoscaling.minReplicas is 3, more than maxReplicas, which is 2: exchange them",
            id="bounds the wrong way round",
        ),
        pytest.param(
            {"service__kind": "StatefulSet"},
            "at '/service/kind': value must be one of 'Rollout', 'Deployment'",
            id="a kind that it cannot be",
        ),
        pytest.param(
            {"service__replicas": 0},
            "at '/service/replicas': minimum: got 0, want 1",
            id="no replica",
        ),
        pytest.param(
            {"service__replica": 3},
            "at '/service': additional properties 'replica' not allowed",
            id="a name with a typo",
        ),
        pytest.param({"facade": None}, "at '': missing property 'facade'", id="a block taken out"),
        pytest.param(
            {"service__settings": {"FEATURE_HEADER_UPDATE": True}},
            "at '/service/settings/FEATURE_HEADER_UPDATE': value must be one of 'on', 'off'",
            id="on without quotes, which YAML takes for true",
        ),
        pytest.param(
            {"service__settings": {"JAVA_OPTIONS": "-Xmx1g"}},
            "at '/service/settings': additional properties 'JAVA_OPTIONS' not allowed",
            id="a variable that the service does not read",
        ),
        pytest.param(
            {"service__serviceAccount__roleArn": "flightspecials-role"},
            'service.serviceAccount.roleArn is "flightspecials-role", which is no role: write'
            " arn:aws:iam::ACCOUNT:role/NAME, or leave it empty for the node's role",
            id="a role without its account",
        ),
        pytest.param(
            {"facade__backends": {"legcy": "http://10.0.0.1:8080"}},
            'facade.backends names "legcy", which is no backend of the route table: it has'
            " flightspecials, legacy",
            id="a backend that the table does not have",
        ),
        pytest.param(
            {"facade__routes": "version: 1\n"},
            "facade.routes is no route table: it needs version, backends and routes; `facade check"
            " FILE` tells each thing that is wrong",
            id="a table without routes",
        ),
        pytest.param(
            {"facade__routes": "routes: [\n"},
            "facade.routes is no route table: it needs version, backends and routes; `facade check"
            " FILE` tells each thing that is wrong",
            id="a table that is no YAML",
        ),
        pytest.param(
            {"facade__ingress__enabled": True, "facade__enabled": False},
            "facade.ingress.enabled is true, but facade.enabled is false: nobody would answer for"
            " /travelbuddy",
            id="a way in to nobody",
        ),
        pytest.param(
            {"facade__ingress__groupOrder": "3"},
            "facade.ingress.groupOrder is 3, but TravelBuddy's own Ingress has 1 and would go first:"
            " leave it empty, which is 0",
            id="a facade behind the monolith",
        ),
        pytest.param(
            {"facade__rollout__route": "flightspecials"},
            "facade.rollout.route is set, but facade.admin.existingSecret is empty, so that nobody can"
            " ask the facade for its figures: kubectl create secret generic facade-admin"
            " --from-literal=token=$(openssl rand -hex 32), and name it there",
            id="a rollout without figures",
        ),
        pytest.param(
            {"serviceMonitor__enabled": True},
            "serviceMonitor.enabled is true, but facade.admin.existingSecret is empty, so that"
            " nobody can ask the facade for metrics: kubectl create secret generic facade-admin"
            " --from-literal=token=$(openssl rand -hex 32), and name it there",
            id="an open admin listener without a token",
        ),
        pytest.param(
            {
                "analysis__enabled": True,
                "analysis__prometheusAddress": "http://prometheus:9090",
            },
            "analysis.enabled is true, but serviceMonitor.enabled is false: without its metrics a"
            " canary cannot be judged",
            id="a judge without a witness",
        ),
    ],
)
def test_a_setting(helm: Helm, values: Values, changes: dict[str, Any], sentence: str) -> None:
    wanted = {key: value for key, value in changes.items() if value is not None}
    made = changed(values, **wanted)
    for removed in set(changes) - set(wanted):
        made[removed] = None
    assert refusal(helm, made) == [sentence]


def test_an_analysis_of_a_deployment_without_prometheus(helm: Helm, values: Values) -> None:
    made = changed(
        values,
        service__kind="Deployment",
        analysis__enabled=True,
        serviceMonitor__enabled=True,
        facade__admin__existingSecret="facade-admin",
    )
    assert refusal(helm, made) == [
        "analysis.enabled is true, but service.kind is Deployment: only a Rollout has a canary to"
        " judge",
        'analysis.prometheusAddress is "": write where Prometheus is, like'
        " http://prometheus-operated.monitoring:9090",
    ]


@pytest.mark.parametrize("namespace", ["default", ""])
def test_a_release_without_a_namespace_of_its_own(
    helm: Helm, values: Values, namespace: str
) -> None:
    (sentence,) = refusal(helm, values, namespace=namespace)
    assert sentence == (
        'the namespace is "default": give the release its own, helm install flightspecials .'
        " --namespace flightspecials --create-namespace (in Argo CD: destination.namespace, with"
        " CreateNamespace=true)"
    )


def test_the_chart_as_it_is_tells_everything_that_the_build_has_to_fill_in(helm: Helm) -> None:
    sentences = refusal(helm, yaml.safe_load((CHART / "values.yaml").read_text()))
    assert [sentence.partition(" is ")[0] for sentence in sentences] == [
        *("image.repository", "image.tag"),
        *("database.endpoint", "database.port", "database.username"),
    ]
    assert all("the build takes it from" in sentence for sentence in sentences)


@pytest.mark.parametrize("variables", [{}, {"IMAGE_TAG": "t1a2b3c"}])
def test_a_build_that_exports_too_little_is_refused(helm: Helm, variables: dict[str, str]) -> None:
    made = substituted(CHART / "values-template.yaml", variables)
    sentences = refusal(helm, yaml.safe_load(made))
    assert len(sentences) == 5 - len(variables)
