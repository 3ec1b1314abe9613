"""Errors that are kept."""

import weakref

from proxy.errors import NoRoute, RequestError, without_trace


class Keeper:
    """Keeps its error, as a request's record does."""

    def __init__(self) -> None:
        self.error: RequestError | None = None

    def fail(self) -> None:
        try:
            self._look_up()
        except NoRoute as error:
            self.error = without_trace(error)

    def _look_up(self) -> None:
        try:
            raise KeyError
        except KeyError:
            raise NoRoute("no route takes GET /x") from None


def test_a_kept_error_has_its_message_and_no_frames() -> None:
    keeper = Keeper()
    keeper.fail()
    assert (type(keeper.error), str(keeper.error)) == (NoRoute, "no route takes GET /x")
    dead = weakref.ref(keeper)
    del keeper
    assert dead() is None, "the keeper is freed without the collector"
