"""The AWS account. Errors of boto3 end in this file: they become sentences."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)

from deploy.pipeline.errors import PipelineError

_REFUSED_CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_REFUSED_ACTIONS = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
_CONFIG = Config(
    connect_timeout=5, read_timeout=20, retries={"mode": "standard", "max_attempts": 3}
)


class Account:
    """Clients for one region; credentials come from where boto3 looks for them."""

    def __init__(self, region: str) -> None:
        self.region = region
        self._session = boto3.Session()
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """Made once: boto3 reads a large description of the service for each."""
        if not self.region:
            raise PipelineError("AWS_REGION is not set: write the region, like ap-northeast-2")
        if service not in self._clients:
            make: Any = self._session.client
            self._clients[service] = make(service, region_name=self.region, config=_CONFIG)
        return self._clients[service]

    @contextmanager
    def sentences(self, **known: str) -> Iterator[None]:
        """Errors in the block become PipelineErrors; `known` has the sentences for codes that the caller expects."""
        try:
            yield
        except ClientError as error:
            raise PipelineError(self._sentence(error, known)) from None
        except (BotoCoreError, HTTPClientError) as error:
            raise PipelineError(self._without_response(error)) from None

    def _sentence(self, error: ClientError, known: dict[str, str]) -> str:
        code = error.response["Error"]["Code"]
        message = error.response["Error"].get("Message", "").rstrip(".")
        if code in known:
            return known[code]
        if code in _REFUSED_CREDENTIALS:
            return f"AWS refuses the credentials ({code}): renew them"
        if code in _REFUSED_ACTIONS:
            return (
                f"the role of this build lacks a permission for {error.operation_name}: {message}"
            )
        return f"{error.operation_name} failed in {self.region}: {code}, {message}"

    def _without_response(self, error: Exception) -> str:
        if isinstance(error, NoCredentialsError | PartialCredentialsError | ProfileNotFound):
            return (
                f"there are no AWS credentials ({str(error).rstrip('.')}): "
                "run with a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        if isinstance(error, NoRegionError | InvalidRegionError):
            return f"AWS_REGION is {self.region!r}, which is no region"
        if isinstance(error, ConnectionError | HTTPClientError):
            return (
                f"AWS does not respond ({str(error).rstrip('.')}): "
                f"is {self.region} the right AWS_REGION, and is there a network?"
            )
        return f"AWS cannot be used: {error}"
