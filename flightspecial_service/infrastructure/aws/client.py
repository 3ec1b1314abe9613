"""AWS, by boto3: a secret of Secrets Manager, and properties of Parameter Store. Everything here blocks.

Where AWS is and who we are, boto3 finds by itself (AWS_REGION, AWS_ENDPOINT_URL, the pod's role).
boto3 is imported when it is first needed: profile `local` runs without it.
"""

import logging
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from flightspecial_service.errors import SettingsError
from flightspecial_service.infrastructure.aws.credentials import (
    Credentials,
    FixedCredentials,
    Login,
    SecretCredentials,
    SecretUnreadable,
)
from flightspecial_service.settings import DatabaseSettings, Secret

log = logging.getLogger(__name__)

PARAMETERS = "/config/flightspecials"
_NO_RIGHT = ("AccessDeniedException", "AccessDenied", "UnauthorizedOperation")


class _RdsSecret(Struct, frozen=True):
    """What we need of the JSON; RDS' secrets hold more."""

    username: str
    password: str


def credentials_for(settings: DatabaseSettings) -> Credentials:
    """The secret that the settings name, or the user in them. Raises SettingsError."""
    if not settings.secret_id:
        return FixedCredentials(settings)
    return SecretCredentials(secret_reader(settings.secret_id))


def secret_reader(secret_id: str) -> Callable[[], Login]:
    """Reads the current version of this secret. Raises SettingsError without boto3."""
    client = _client("secretsmanager")
    failures = _failures()

    def read() -> Login:
        try:
            told = client.get_secret_value(SecretId=secret_id, VersionStage="AWSCURRENT")
            secret = msgspec.json.decode(told["SecretString"], type=_RdsSecret)
        except failures as error:
            raise SecretUnreadable(f"{type(error).__name__}: {error}") from error
        except (KeyError, msgspec.MsgspecError):
            # Their text may hold a piece of the secret: not even as a cause does it go on.
            raise SecretUnreadable(
                f"the secret {secret_id} is not JSON with username and password"
            ) from None
        return Login(secret.username, Secret(secret.password))

    return read


def read_parameters(profile: str) -> dict[str, str]:
    """Properties by their last name; those of the profile go before those for all.

    Raises SettingsError when Parameter Store cannot be read: to start with half of the properties
    would be worse. A role that may not read them has none.
    """
    client = _client("ssm")
    found: dict[str, str] = {}
    try:
        for folder in (f"{PARAMETERS}/", f"{PARAMETERS}_{profile}/"):
            pages = client.get_paginator("get_parameters_by_path").paginate(
                Path=folder, Recursive=True, WithDecryption=True
            )
            for page in pages:
                found |= {
                    each["Name"].rpartition("/")[2]: each["Value"] for each in page["Parameters"]
                }
    except _failures() as error:
        if _code_of(error) in _NO_RIGHT:
            log.warning("no right to read %s: going on without it", PARAMETERS)
            return {}
        raise SettingsError(
            (f"{PARAMETERS} in Parameter Store cannot be read: {error}",)
        ) from error
    return found


def _code_of(error: Exception) -> str:
    """What AWS itself said is wrong; empty where it said nothing."""
    answer = getattr(error, "response", None) or {}  # None where a connection was cut or too slow.
    return str(answer.get("Error", {}).get("Code", ""))


def _client(service: str) -> Any:
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise SettingsError(("the profile test needs boto3: install the extra aws",)) from error
    limits = Config(
        connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 3}
    )
    try:
        return boto3.client(service, config=limits)  # type: ignore[call-overload]
    except BotoCoreError as error:
        raise SettingsError((f"AWS cannot be used: {error}",)) from error


def _failures() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError

    return (BotoCoreError, ClientError)
