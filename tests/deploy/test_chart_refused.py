"""Values that the chart refuses: the image and the database."""

from typing import Any

import pytest

from tests.deploy.rendering import Helm, Values, changed, refusal


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
    assert refusal(helm, changed(values, **changes)) == [sentence]


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
    assert refusal(helm, changed(values, **changes)) == [sentence]
