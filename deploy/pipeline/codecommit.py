"""Repositories of AWS CodeCommit, by name. An account without any may be refused a first one (docs/pipeline.md)."""

from deploy.pipeline.aws import Account
from deploy.pipeline.errors import PipelineError
from deploy.pipeline.settings import Repository


def repository_url(repository: Repository, account: Account) -> str:
    """The URL for https. Raises PipelineError if the repository does not exist."""
    url = repository.url or found_url(repository, account)
    if url is None:
        raise PipelineError(
            f"there is no CodeCommit repository {repository.name} in {account.region}: run "
            f"deploy/codebuild/repositories, or set {repository.setting}_URL to another Git repository"
        )
    return url


def found_url(repository: Repository, account: Account) -> str | None:
    """None if CodeCommit has no such repository."""
    with account.sentences():
        client = account.client("codecommit")
        try:
            found = client.get_repository(repositoryName=repository.name)
        except client.exceptions.RepositoryDoesNotExistException:
            return None
    return str(found["repositoryMetadata"]["cloneUrlHttp"])


def created_url(repository: Repository, account: Account) -> str:
    """Create the repository. Raises PipelineError, also where the account may create none."""
    closed = (
        f"CodeCommit does not create repositories for this account: create {repository.name} elsewhere, "
        f"and set {repository.setting}_URL"
    )
    with account.sentences(OperationNotAllowedException=closed):
        made = account.client("codecommit").create_repository(
            repositoryName=repository.name, repositoryDescription=repository.title
        )
    return str(made["repositoryMetadata"]["cloneUrlHttp"])
