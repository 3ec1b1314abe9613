"""The configurations of the contestants: one worker, keep-alive towards the origin, access log on.

The rest are the defaults, except for limits that a bench would exceed: requests of a connection, the size of a body,
the duration of a request.
"""

import os
from pathlib import Path

from tests.bench.wire import TARGETS

_READING = (
    "  - {name: cohort, match: {path: {prefix: /cohort}}, cohort: people, backend_refs: {legacy: 80, new: 20}}",
    "  - name: edited",
    "    match: {path: {prefix: /edited}}",
    "    request: {headers: {set: {x-team: travel}, remove: [accept-language]}}",
    "    response: {headers: {set: {x-by: facade}}}",
    "    backend_refs:",
    "      - {name: legacy, url_rewrite: {path: {replace_prefix_match: /inner}}}",
    "cohorts: {people: {salt: bench, hash_policy: [{cookie: TB_UID}]}}",
)


def nginx(
    port: int,
    origin: int,
    folder: Path,
    *,
    buffered: bool = True,
    workers: int = 1,
    logs: bool = True,
    tls: bool = False,
) -> str:
    """nginx.conf. Its log is buffered, as the facade's is; bodies are as shipped, or passed on as they come.

    With `tls` the certificate is `folder`/server.crt.
    """
    bodies = "" if buffered else "proxy_buffering off; proxy_request_buffering off;"
    log = f"{folder}/access.log combined buffer=32k flush=1s" if logs else "off"
    files = f"ssl_certificate {folder}/server.crt; ssl_certificate_key {folder}/server.key;"
    files += " ssl_protocols TLSv1.2 TLSv1.3;"  # The default since nginx 1.23.4. Before, it was without TLS 1.3.
    user = "user root;" if os.geteuid() == 0 else ""  # A worker that may read the temporary folder.
    temporary = "\n".join(
        f"  {name}_temp_path {folder}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
{user}
daemon off;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 8192; }}
http {{
{temporary}
  access_log {log};
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  upstream origin {{
    server 127.0.0.1:{origin};
    keepalive 256;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port} {"ssl " if tls else ""}backlog=2048;
    {files if tls else ""}
    location / {{
      proxy_pass http://origin;
      {bodies}
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
    }}
  }}
}}
"""


def haproxy(port: int, origin: int) -> str:
    """haproxy.cfg. The log goes to standard output, as in a container."""
    return f"""
global
  nbthread 1
  maxconn 8192
  log stdout format raw local0 info
defaults
  log global
  mode http
  option httplog
  option dontlognull
  option forwardfor
  timeout connect 5s
  timeout client 50s
  timeout server 50s
frontend traffic
  bind 127.0.0.1:{port} backlog 2048
  default_backend origin
backend origin
  server one 127.0.0.1:{origin}
"""


def envoy(port: int, origin: int, folder: Path) -> str:
    """An Envoy bootstrap. Envoy buffers its log by itself."""
    manager = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    log = "envoy.extensions.access_loggers.file.v3.FileAccessLog"
    router = "envoy.extensions.filters.http.router.v3.Router"
    return f"""
static_resources:
  listeners:
  - name: traffic
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/{manager}
          stat_prefix: traffic
          use_remote_address: true
          access_log:
          - name: envoy.access_loggers.file
            typed_config:
              "@type": type.googleapis.com/{log}
              path: {folder}/access.log
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/{router}}}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{prefix: /}}
                route: {{cluster: origin, timeout: 0s}}
  clusters:
  - name: origin
    type: STATIC
    connect_timeout: 5s
    load_assignment:
      cluster_name: origin
      endpoints:
      - lb_endpoints:
        - endpoint:
            address: {{socket_address: {{address: 127.0.0.1, port_value: {origin}}}}}
"""


def caddy(port: int, origin: int, folder: Path) -> str:
    """A Caddyfile."""
    return f"""
{{
  admin off
  auto_https off
}}
http://127.0.0.1:{port}, http://bench.example:{port} {{
  log {{
    output file {folder}/access.log
  }}
  reverse_proxy 127.0.0.1:{origin}
}}
"""


def routes(origin: int, *, reading: bool = False) -> str:
    """The facade's table: 1,000 routes, those that are asked for among them, weighted between two backends.

    `reading`: clients come through a proxy that is trusted, one route reads a cookie, and one edits fields and paths.
    """
    asked = TARGETS["get"].decode()
    address = f"http://127.0.0.1:{origin}"
    lines = [
        "version: 1",
        "x-kept: &kept",
        f"  url: '{address}'",
        "  idle_timeout: 60s",
        "backends: {legacy: *kept, new: *kept}",
        "defaults: {timeouts: {request: 60s}, limits: {max_body_bytes: 1GiB}"
        + (", forwarded: {trusted_proxies: [127.0.0.0/8]}}" if reading else "}"),
        "routes:",
    ]
    lines += [
        f"  - {{name: r{number}, match: {{path: {{prefix: /svc{number % 50}/v1/res{number}}}}}, "
        "backend_refs: {legacy: 80, new: 20}}"
        for number in range(998)
    ]
    lines += [
        "  - {name: flightspecials, stage: canary, backend_refs: {legacy: 80, new: 20}, "
        f"match: {{path: {{exact: {asked}}}, methods: [GET, HEAD]}}}}",
        "  - {name: everything-else, backend_refs: legacy}",
    ]
    if reading:
        lines += _READING
    return "\n".join(lines) + "\n"
