"""The contestants: the facade in a thread of this process, and other programs as processes, all on free ports."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from proxy.server.settings import Tier
from tests.support.facade_in_thread import facade_in_thread
from tests.support.ports import free_port
from tests.support.process import listening_process

_TABLE = """
version: 1
defaults:
  limits: {{max_headers: 100, max_header_bytes: 32KiB, max_uri_bytes: 8KiB, max_body_bytes: 64KiB}}
backends: {{origin: "http://127.0.0.1:{port}"}}
routes:
  - {{name: internal, match: {{path: {{prefix: /internal}}}}, direct_response: {{status: 403}}}}
  - {{name: public, match: {{path: {{prefix: /public}}}}, backend_refs: origin}}
  - {{name: everything-else, backend_refs: origin}}
"""


@contextlib.contextmanager
def facade(tier: Tier, origin_port: int, folder: Path) -> Iterator[tuple[str, int]]:
    """The address of a facade of this tier in front of the origin."""
    table = _TABLE.format(port=origin_port)
    settings = {"access_log": "none", "drain_s": 1.0, "tier": tier}
    with facade_in_thread(table, folder, **settings) as running:
        yield (running.listen.host, running.listen.port)


@contextlib.contextmanager
def program(name: str, origin_port: int, folder: Path) -> Iterator[tuple[str, int]]:
    """The address of another program in front of the origin."""
    port = free_port()
    argv = PROGRAMS[name](port, origin_port, folder)
    with listening_process(argv, port, folder):
        yield ("127.0.0.1", port)


def nginx_argv(port: int, origin_port: int, folder: Path) -> list[str]:
    """An honest plain configuration: keep-alive to the origin, HTTP/1.1, and /internal closed."""
    config = folder / "nginx.conf"
    config.write_text(f"""
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  upstream origin {{ server 127.0.0.1:{origin_port}; keepalive 16; }}
  server {{
    listen 127.0.0.1:{port}; server_name facade.example;
    location /internal {{ return 403; }}
    location / {{
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_next_upstream off;
    }}
  }}
}}
""")
    return ["/usr/sbin/nginx", "-c", str(config), "-e", str(folder / "error.log")]


def haproxy_argv(port: int, origin_port: int, folder: Path) -> list[str]:
    """An honest plain configuration: keep-alive to the origin, and /internal closed."""
    config = folder / "haproxy.cfg"
    config.write_text(f"""
defaults
  mode http
  timeout connect 2s
  timeout client 10s
  timeout server 10s
  retries 0
frontend all
  bind 127.0.0.1:{port}
  http-request deny if {{ path_beg /internal }}
  default_backend origin
backend origin
  http-reuse always
  server origin 127.0.0.1:{origin_port}
""")
    return ["/usr/sbin/haproxy", "-f", str(config)]


def naive_argv(port: int, origin_port: int, folder: Path) -> list[str]:
    """The proxy of every tutorial. It has no rule for /internal: that would be unfair to count."""
    return [sys.executable, "-m", "tests.bench.naive", str(port), str(origin_port)]


PROGRAMS: Mapping[str, Callable[[int, int, Path], list[str]]] = {
    "nginx": nginx_argv,
    "haproxy": haproxy_argv,
    "naive": naive_argv,
}
"""Each name with its command: `argv(port, origin_port, folder)`."""
