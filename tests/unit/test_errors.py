"""Errors that are kept."""

import weakref

from proxy.errors import NoRoute, RequestError, without_trace


class Keeper:
    """Remembers why it failed, as a request's record does."""

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


def test_a_kept_error_says_what_it_said_and_holds_no_frame() -> None:
    keeper = Keeper()
    keeper.fail()
    assert (type(keeper.error), str(keeper.error)) == (NoRoute, "no route takes GET /x")
    gone = weakref.ref(keeper)
    del keeper
    assert gone() is None, "its keeper goes at once, not when the collector comes"
