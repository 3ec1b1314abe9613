"""Where the database is: outputs of the CloudFormation stack, under the names of the guide."""

import re

from deploy.pipeline.aws import Account
from deploy.pipeline.errors import PipelineError
from deploy.pipeline.settings import Database

ENDPOINT = "M2MFlightSpecialDatabaseStackFlightSpecialDBEndpoint"
PORT = "M2MFlightSpecialDatabaseStackFlightSpecialDBPort"


def database_variables(database: Database, account: Account) -> dict[str, str]:
    """What the template needs to know of the database. Raises PipelineError with every problem."""
    endpoint, port = database.endpoint, database.port
    if endpoint is None or port is None:
        outputs = stack_outputs(database.stack, account)
        wanted = ((ENDPOINT, endpoint), (PORT, port))
        missing = [name for name, given in wanted if given is None and not outputs.get(name)]
        if missing:
            raise PipelineError(
                f"the stack {database.stack} has no output {' and no output '.join(missing)}: "
                "deploy/aws makes them; see DATABASE_STACK"
            )
        endpoint = outputs[ENDPOINT] if endpoint is None else endpoint
        port = outputs[PORT] if port is None else port
    found = {
        "DATABASE_ENDPOINT": endpoint,
        "DATABASE_PORT": port,
        "DATABASE_USERNAME": database.secret,
    }
    problems = _malformed(found)
    if problems:
        raise PipelineError(*problems)
    return found


def stack_outputs(stack: str, account: Account) -> dict[str, str]:
    """The outputs by name."""
    absent = (
        f"there is no stack {stack} in {account.region}: "
        "set AWS_REGION to the region of the database, or DATABASE_STACK to its name"
    )
    with account.sentences(ValidationError=absent):
        (found,) = account.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}


def check_secret(database: Database, account: Account) -> None:
    """Raises PipelineError if the secret does not exist. Its value is not read."""
    absent = (
        f"there is no secret {database.secret} in {account.region}: DATABASE_USERNAME is the name "
        "of the secret with the database's user and password"
    )
    with account.sentences(ResourceNotFoundException=absent):
        account.client("secretsmanager").describe_secret(SecretId=database.secret)


def _malformed(found: dict[str, str]) -> list[str]:
    """The values are written between quotes in YAML."""
    rules = {
        "DATABASE_ENDPOINT": (r"[A-Za-z0-9._:-]+", "a host name"),
        "DATABASE_PORT": (r"[0-9]{1,5}", "a port"),
        "DATABASE_USERNAME": (r"[A-Za-z0-9/_+=.@!:-]+", "the name of a secret"),
    }
    return [
        f"{name} is {found[name]!r}: it has to be {what}"
        for name, (pattern, what) in rules.items()
        if not re.fullmatch(pattern, found[name])
    ]
