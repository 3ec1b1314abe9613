"""Tomcat's error pages."""

from html import escape
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

HTML = "text/html;charset=utf-8"
LANGUAGE = {"content-language": "en"}
_STYLE = (
    "body{font-family:sans-serif;margin:1.5rem;overflow-wrap:anywhere}pre{white-space:pre-wrap}"
    "h1,h3{background:#525d76;color:#fff;padding:.4rem .8rem}hr{border:0;border-top:1px solid #525d76}"
)
_NO_CONNECTION = (
    "java.lang.IllegalStateException: java.sql.SQLNonTransientConnectionException: "
    "Could not connect to the database"
)
# Frames of the public classes that every Spring MVC request on Tomcat passes.
_FRAMES = (
    "org.springframework.web.servlet.FrameworkServlet.processRequest(FrameworkServlet.java)",
    "org.springframework.web.servlet.FrameworkServlet.doGet(FrameworkServlet.java)",
    "javax.servlet.http.HttpServlet.service(HttpServlet.java)",
    "org.springframework.web.servlet.FrameworkServlet.service(FrameworkServlet.java)",
    "javax.servlet.http.HttpServlet.service(HttpServlet.java)",
    "org.apache.tomcat.websocket.server.WsFilter.doFilter(WsFilter.java)",
)


def status_report(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """The page for an error status without an exception."""
    body = f"<p><b>Type</b> Status Report</p><p><b>Message</b> {escape(message)}</p>"
    return _page(status, body, headers or {})


def database_away_report() -> Response:
    """The page for an exception: a 500 with a stack trace."""
    message = f"Request processing failed; nested exception is {_NO_CONNECTION}"
    exception = f"org.springframework.web.util.NestedServletException: {message}"
    trace = "\n\t".join((exception, *_FRAMES))
    body = (
        f"<p><b>Type</b> Exception Report</p><p><b>Message</b> {escape(message)}</p>"
        f"<p><b>Exception</b></p><pre>{escape(trace)}</pre>"
        f"<p><b>Root Cause</b></p><pre>{escape(_NO_CONNECTION)}</pre>"
    )
    return _page(500, body, {})


async def http_error(_: Request, error: Exception) -> Response:
    """Starlette's handler of HTTPException."""
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = "GET"  # the method that the original's mappings name
    return status_report(error.status_code, error.detail, headers)


def _page(status: int, body: str, headers: dict[str, str]) -> Response:
    title = f"HTTP Status {status} – {HTTPStatus(status).phrase}"
    text = (
        f'<!doctype html><html lang="en"><head><title>{title}</title>'
        f"<style>{_STYLE}</style></head>"
        f"<body><h1>{title}</h1><hr>{body}<hr><h3>TravelBuddy stand-in</h3></body></html>"
    )
    return Response(text, status, {**headers, "content-type": HTML, **LANGUAGE})
