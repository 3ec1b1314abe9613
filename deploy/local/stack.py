"""The four parts of the whole system, as values."""

import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.local.cluster import SUPERUSER, Cluster, server_env
from deploy.local.part import Part, responds
from deploy.local.postgres import STOP_STEPS, Endpoint
from deploy.local.samples import DATABASE, ensure_database
from deploy.local.settings import DEFAULT_PORTS, HOST, Settings

ROOT = Path(__file__).resolve().parents[2]
_NOT_FOR_THE_SERVICE = (
    "DB_",
    "DATABASE_",
    "SPRING_",
    "PG",
    "SECRETS_",
    "FEATURE_",
    "CODEBUILD_",
    "OPS_",
    "API_",
    "CORS_",
)
_POSTGRES_SETTINGS = {"max_connections": "200"}


def server_of(cluster: Cluster, port: int) -> Endpoint:
    """Where the cluster is reached when it is served on `port`."""
    return Endpoint(HOST, port, SUPERUSER, cluster.lock.password)


def parts(
    settings: Settings,
    cluster: Cluster,
    server: Endpoint,
    control_port: int,
    environ: Mapping[str, str],
) -> list[Part]:
    """All parts, in the order in which they start. `control_port` is that of the stand-in."""
    return [
        postgresql(cluster, server, environ),
        service(settings, server, environ),
        legacy(settings, control_port, environ),
        facade(settings, environ),
    ]


def postgresql(cluster: Cluster, server: Endpoint, environ: Mapping[str, str]) -> Part:
    """The database; ready when the service's own database is there."""

    async def ready(pid: int) -> bool:
        return cluster.is_ready(pid) and await ensure_database(server)

    return Part(
        name="postgresql",
        argv=tuple(cluster.argv(server.port, _POSTGRES_SETTINGS)),
        ready=ready,
        env=server_env(environ),
        stop_steps=STOP_STEPS,
        last_word=signal.SIGINT,  # a fast shutdown; SIGKILL would leave its shared memory
        account=cluster.account,
        keep_fds=cluster.keep_fds,
    )


def service(settings: Settings, server: Endpoint, environ: Mapping[str, str]) -> Part:
    """The FlightSpecials service; it migrates its database at its start."""
    database = {
        "PROFILE": "local",
        "DB_HOST": server.host,
        "DB_PORT": str(server.port),
        "DB_USERNAME": server.user,
        "DB_PASSWORD": server.password,
        "DB_DATABASE_NAME": DATABASE,
        "DB_DEFAULT_SCHEMA": "travelbuddy",
        # It listens on this machine only.
        "FEATURE_SPECIAL_WRITES": "on",
    }
    # Settings that the caller has for a deployed service must not reach this one.
    kept = {
        name: value for name, value in environ.items() if not name.startswith(_NOT_FOR_THE_SERVICE)
    }
    return Part(
        name="service",
        argv=_python("flightspecial_service", "serve", *_at(settings.service_port)),
        ready=responds(settings.service_port, "/readyz"),
        env={**kept, **database},
        cwd=ROOT,
    )


def legacy(settings: Settings, control_port: int, environ: Mapping[str, str]) -> Part:
    """The stand-in for the monolith."""
    control = ("--control-port", str(control_port))
    return Part(
        name="legacy",
        argv=_python("deploy.local.travelbuddy", *_at(settings.legacy_port), *control),
        ready=responds(settings.legacy_port, "/travelbuddy/health"),
        env=dict(environ),
        cwd=ROOT,
    )


def facade(settings: Settings, environ: Mapping[str, str]) -> Part:
    """The facade with the operator's table; ports that are not the table's are passed beside it."""
    moved = {
        "legacy": ("LEGACY_PORT", settings.legacy_port),
        "flightspecials": ("SERVICE_PORT", settings.service_port),
    }
    backends = [
        word
        for backend, (variable, port) in moved.items()
        if port != DEFAULT_PORTS[variable]
        for word in ("--backend", f"{backend}=http://{HOST}:{port}")
    ]
    listen = ("--listen", f"{HOST}:{settings.facade_port}")
    admin = ("--admin", f"{HOST}:{settings.admin_port}")
    table = ("--routes", str(settings.routes))
    return Part(
        name="facade",
        argv=_python("proxy", "serve", *table, *listen, *admin, *backends),
        ready=responds(settings.admin_port, "/readyz"),
        env=dict(environ),
        cwd=ROOT,
    )


def _at(port: int) -> tuple[str, ...]:
    return ("--host", HOST, "--port", str(port))


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)
