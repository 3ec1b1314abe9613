"""Bad values are refused with a sentence that says what to do: before anything reaches a cluster."""

from typing import Any

import pytest
import yaml

from tests.deploy.rendering import CHART, Helm, Refused, Values, changed, substituted


def said(helm: Helm, values: Values, **where: str) -> list[str]:
    """The sentences of a refusal."""
    with pytest.raises(Refused) as refused:
        helm.files(values, **where)
    return [line[2:] for line in str(refused.value).splitlines() if line.startswith("- ")]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param(
            {"image__tag": ""},
            "image.tag is empty: give the tag that the build has pushed, like t1a2b3c; the build"
            " takes it from IMAGE_TAG",
            id="an empty tag",
        ),
        pytest.param(
            {"image__tag": "latest"},
            "image.tag is latest: a canary and the way back both need a tag that stays with its"
            " image, like t1a2b3c",
            id="a tag that moves",
        ),
        pytest.param(
            {"image__tag": "a b"},
            'image.tag is "a b", which is no tag: it has letters, digits, underscores, dots and'
            " dashes only",
            id="a tag with a blank",
        ),
        pytest.param(
            {"image__tag": 1234567},
            "at '/image/tag': got number, want string",
            id="a tag that was read as a number",
        ),
        pytest.param(
            {"image__repository": ""},
            "image.repository is empty: give the address of the image without its tag; the build"
            " takes it from ECR_REPO_URI",
            id="no repository",
        ),
        pytest.param(
            {"image__repository": "https://example.com/flightspecial"},
            'image.repository is "https://example.com/flightspecial", which is no address of an'
            " image: write it without https:// and without a tag, like"
            " 123456789012.dkr.ecr.ap-northeast-2.amazonaws.com/m2m-flightspecial",
            id="a repository with a scheme",
        ),
        pytest.param(
            {"facade__image__repository": "example.com/facade:t1"},
            'facade.image.repository is "example.com/facade:t1", which is no address of an image:'
            " write it without https:// and without a tag, like"
            " 123456789012.dkr.ecr.ap-northeast-2.amazonaws.com/m2m-flightspecial",
            id="a repository with a tag",
        ),
        pytest.param(
            {"facade__image__repository": ""},
            "facade.image.repository is empty: give the address of the image without its tag; the"
            " build takes it from ECR_REPO_URI, with -facade behind it",
            id="no repository of the facade",
        ),
        pytest.param(
            {"facade__image__tag": "latest"},
            "facade.image.tag is latest: a canary and the way back both need a tag that stays with"
            " its image, like t1a2b3c",
            id="a tag of the facade that moves",
        ),
        pytest.param(
            {"image__digest": "sha256:123"},
            'image.digest is "sha256:123", which is no digest: write sha256: and 64 hexadecimal'
            " digits, or leave it empty",
            id="half a digest",
        ),
        pytest.param(
            {"image__tag": "${IMAGE_TAG}"},
            'image.tag is "${IMAGE_TAG}": that is a place for a variable, so render the file first,'
            " envsubst < values-template.yaml > values.yaml",
            id="a template that was not rendered",
        ),
        pytest.param(
            {"buildNumber": "build: 42"},
            'buildNumber is "build: 42": the service takes at most 64 letters, digits, dots, dashes'
            " and underscores",
            id="a build number that the service refuses",
        ),
    ],
)
def test_an_image(helm: Helm, values: Values, changes: dict[str, Any], sentence: str) -> None:
    assert said(helm, changed(values, **changes)) == [sentence]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param(
            {"database__endpoint": ""},
            "database.endpoint is empty: without a database no pod would get ready; the build takes"
            " it from DATABASE_ENDPOINT",
            id="no database",
        ),
        pytest.param(
            {"database__endpoint": "postgres://db/dso"},
            'database.endpoint is "postgres://db/dso": write the host alone, without a scheme, a'
            " port or a path",
            id="an address with a scheme",
        ),
        pytest.param(
            {"database__endpoint": "db.example.com:5432"},
            'database.endpoint is "db.example.com:5432": write the host alone, without a scheme, a'
            " port or a path",
            id="an address with a port",
        ),
        pytest.param(
            {"database__endpoint": "db:5432"},
            'database.endpoint is "db:5432": write the host alone, the port belongs to'
            " database.port",
            id="an address with a port that might be IPv6",
        ),
        pytest.param(
            {"database__port": ""},
            "database.port is empty: give the port of PostgreSQL, mostly 5432; the build takes it"
            " from DATABASE_PORT",
            id="no port",
        ),
        pytest.param(
            {"database__port": "70000"},
            'database.port is "70000": write a number from 1 to 65535',
            id="a port that is too large",
        ),
        pytest.param(
            {"database__port": "None"},
            'database.port is "None": write a number from 1 to 65535',
            id="a port that the build did not find",
        ),
        pytest.param(
            {"database__username": ""},
            "database.username is empty: with environment test it is the name of the secret in"
            " Secrets Manager, like flightspecial_db_credentials_test; the build takes it from"
            " DATABASE_USERNAME",
            id="no secret",
        ),
        pytest.param(
            {"environment": "local", "database__username": "", "database__existingSecret": "x"},
            "database.username is empty: with environment local it is the user of PostgreSQL",
            id="no user",
        ),
        pytest.param(
            {"environment": "local"},
            "database.existingSecret is empty: with environment local the password comes from a"
            " Secret, kubectl create secret generic flightspecials-database"
            " --from-literal=DB_PASSWORD=...",
            id="no password",
        ),
        pytest.param(
            {"environment": "production"},
            "at '/environment': value must be one of 'test', 'local'",
            id="a profile that the service has not",
        ),
        pytest.param(
            {"database__sslmode": "verify-full"},
            "database.rootCertificates is empty, but database.sslmode is verify-full: kubectl"
            " create configmap database-certificates --from-file=root.pem=FILE, and name it there",
            id="nothing to verify with",
        ),
        pytest.param(
            {"database__schema": "1st"},
            'database.schema is "1st": write 1 to 63 letters, digits and underscores, with no digit'
            " in front",
            id="a schema that PostgreSQL does not take",
        ),
        pytest.param(
            {"database__name": ""},
            'database.name is "", which is no name of a database: it was dso in the guide',
            id="no name of a database",
        ),
        pytest.param(
            {"database__poolSize": 40},
            "database.maxConnections is 100, but 3 pods (a canary's among them) with 41 connections"
            " each, and 4 for migrations and for people, make 127: lower database.poolSize or the"
            " replicas, or raise max_connections of the database and then this value",
            id="more connections than the database has",
        ),
        pytest.param(
            {"service__replicas": 7},
            "database.maxConnections is 100, but 11 pods (a canary's among them) with 11"
            " connections each, and 4 for migrations and for people, make 125: lower"
            " database.poolSize or the replicas, or raise max_connections of the database and then"
            " this value",
            id="more pods than the database has connections for",
        ),
    ],
)
def test_a_database(helm: Helm, values: Values, changes: dict[str, Any], sentence: str) -> None:
    assert said(helm, changed(values, **changes)) == [sentence]


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
    assert said(helm, made) == [sentence]


def test_an_analysis_of_a_deployment_without_prometheus(helm: Helm, values: Values) -> None:
    made = changed(
        values,
        service__kind="Deployment",
        analysis__enabled=True,
        serviceMonitor__enabled=True,
        facade__admin__existingSecret="facade-admin",
    )
    assert said(helm, made) == [
        "analysis.enabled is true, but service.kind is Deployment: only a Rollout has a canary to"
        " judge",
        'analysis.prometheusAddress is "": write where Prometheus is, like'
        " http://prometheus-operated.monitoring:9090",
    ]


@pytest.mark.parametrize("namespace", ["default", ""])
def test_a_release_without_a_namespace_of_its_own(
    helm: Helm, values: Values, namespace: str
) -> None:
    (sentence,) = said(helm, values, namespace=namespace)
    assert sentence == (
        'the namespace is "default": give the release its own, helm install flightspecials .'
        " --namespace flightspecials --create-namespace (in Argo CD: destination.namespace, with"
        " CreateNamespace=true)"
    )


def test_the_chart_as_it_is_tells_everything_that_the_build_has_to_fill_in(helm: Helm) -> None:
    sentences = said(helm, yaml.safe_load((CHART / "values.yaml").read_text()))
    assert [sentence.partition(" is ")[0] for sentence in sentences] == [
        *("image.repository", "image.tag"),
        *("database.endpoint", "database.port", "database.username"),
    ]
    assert all("the build takes it from" in sentence for sentence in sentences)


@pytest.mark.parametrize("variables", [{}, {"IMAGE_TAG": "t1a2b3c"}])
def test_a_build_that_exports_too_little_is_refused(helm: Helm, variables: dict[str, str]) -> None:
    made = substituted(CHART / "values-template.yaml", variables)
    sentences = said(helm, yaml.safe_load(made))
    assert len(sentences) == 5 - len(variables)
