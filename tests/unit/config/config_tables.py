"""Tables for the tests of the language. A `«` in a text marks the place where a problem is expected."""

from msgspec.structs import replace

from proxy.config.loader import parse_table
from proxy.errors import Problem, TableError
from proxy.model import Route, RouteTable

MARK = "«"

HEAD = """\
version: 1
backends: {legacy: "http://legacy:8080", new: "http://new:8080", third: "http://third:8080"}
cohorts: {everyone: {salt: s, hash_policy: [{cookie: id}]}}
"""
ONE_ROUTE = "routes: [{name: all, backend_refs: legacy}]\n"


def with_route(body: str) -> str:
    """A table whose one route is called r; `body` is the rest of its keys, in flow style."""
    return f"{HEAD}routes:\n- {{name: r, {body}}}\n"


def with_match(body: str) -> str:
    """A table whose one route has this match, in flow style."""
    return with_route(f"backend_refs: legacy, match: {{{body}}}")


def with_backend(body: str) -> str:
    """A table with a backend that has these keys, in flow style."""
    return f"version: 1\nbackends: {{legacy: {{{body}}}}}\n{ONE_ROUTE}"


def with_test(body: str, routes: str = ONE_ROUTE) -> str:
    """A table with one test called t; `body` is the rest of its keys, in flow style."""
    return f"{HEAD}{routes}tests:\n- {{name: t, {body}}}\n"


def parse(text: str) -> RouteTable:
    """The table, which has to be free of warnings, too."""
    table, warnings = parse_table(text.encode())
    assert warnings == ()
    return table


def only_route(text: str) -> Route:
    """The one route of a table."""
    (route,) = parse(text).routes
    return route


def problems(text: str | bytes) -> list[Problem]:
    """Everything that is wrong with a table, warnings included."""
    try:
        _, warnings = parse_table(text if isinstance(text, bytes) else text.encode())
    except TableError as error:
        return list(error.problems)
    return list(warnings)


def assert_problem(marked: str, said: str) -> None:
    """One problem, said in these words, at the place that is marked."""
    before, _, after = marked.partition(MARK)
    place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
    found = problems(before + after)
    shown = [((problem.line, problem.column), _said(problem)) for problem in found]
    assert shown == [(place, said)], shown


def _said(problem: Problem) -> str:
    return f"{problem.text} — {problem.hint}" if problem.hint else problem.text


def without_places(table: RouteTable) -> RouteTable:
    """A table that can be compared with one of another file."""
    return replace(
        table,
        routes=tuple(replace(route, line=0, match_positions=()) for route in table.routes),
        tests=tuple(replace(test, line=0, column=0) for test in table.tests),
        tls_files=tuple(replace(file, line=0, column=0) for file in table.tls_files),
        error_files=tuple(replace(file, line=0, column=0) for file in table.error_files),
    )
