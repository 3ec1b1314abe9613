"""Secrets Manager and Parameter Store, with boto3. All calls block.

boto3 finds region, endpoint and credentials itself (AWS_REGION, AWS_ENDPOINT_URL, the role of the
pod). It is imported on first use, so that profile `local` runs without it.
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
    """The members of the JSON that we need; a secret of RDS has more."""

    username: str
    password: str


def credentials_for(settings: DatabaseSettings) -> Credentials:
    """Credentials from the secret that the settings name, or else their user. Raises SettingsError."""
    if not settings.secret_id:
        return FixedCredentials(settings)
    return SecretCredentials(secret_reader(settings.secret_id))


def secret_reader(secret_id: str) -> Callable[[], Login]:
    """A function that reads the current version of this secret. Raises SettingsError without boto3."""
    client = _client("secretsmanager")
    failures = _failures()

    def read() -> Login:
        try:
            response = client.get_secret_value(SecretId=secret_id, VersionStage="AWSCURRENT")
            secret = msgspec.json.decode(response["SecretString"], type=_RdsSecret)
        except failures as error:
            raise SecretUnreadable(f"{type(error).__name__}: {error}") from error
        except (KeyError, msgspec.MsgspecError):
            # The text of these errors may contain a part of the secret: drop them, also as the cause.
            raise SecretUnreadable(
                f"the secret {secret_id} is not JSON with username and password"
            ) from None
        return Login(secret.username, Secret(secret.password))

    return read


def read_parameters(profile: str) -> dict[str, str]:
    """Properties by the last part of their name. Those of the profile override the common ones.

    Raises SettingsError if Parameter Store cannot be read: a start with half of the properties
    would be worse. Without the permission to read, there are none.
    """
    client = _client("ssm")
    properties: dict[str, str] = {}
    try:
        for folder in (f"{PARAMETERS}/", f"{PARAMETERS}_{profile}/"):
            pages = client.get_paginator("get_parameters_by_path").paginate(
                Path=folder, Recursive=True, WithDecryption=True
            )
            for page in pages:
                properties |= {
                    each["Name"].rpartition("/")[2]: each["Value"] for each in page["Parameters"]
                }
    except _failures() as error:
        if _code_of(error) in _NO_RIGHT:
            log.warning("no right to read %s: going on without it", PARAMETERS)
            return {}
        raise SettingsError(
            (f"{PARAMETERS} in Parameter Store cannot be read: {error}",)
        ) from error
    return properties


def _code_of(error: Exception) -> str:
    """The error code of AWS's response; empty without a response."""
    response = getattr(error, "response", None) or {}  # None after a timeout or a lost connection
    return str(response.get("Error", {}).get("Code", ""))


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
