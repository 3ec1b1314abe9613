"""The errors that stop `make up`."""


class LocalError(Exception):
    """An error with a sentence: the fault and its remedy."""


class DataInUse(LocalError):
    """Another process holds the data directory."""


class PartFailed(LocalError):
    """A part did not become ready at the first start; carries the last lines of its log."""

    def __init__(self, sentence: str, last_lines: tuple[str, ...]) -> None:
        super().__init__(sentence)
        self.last_lines = last_lines


class BadSettings(LocalError):
    """All faults of the environment, one sentence each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
