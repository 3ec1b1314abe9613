"""The text of metrics in Prometheus' format 0.0.4, and the type and help of each."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from proxy.telemetry.counters import BOUNDS_S

FAMILIES: Mapping[str, tuple[str, str]] = {
    "facade_requests_total": ("counter", "Requests that are over."),
    "facade_request_duration_seconds": (
        "histogram",
        "From a request's first line to the end of its answer.",
    ),
    "facade_first_byte_seconds": ("histogram", "From a request's first line to its answer's head."),
    "facade_received_bytes_total": ("counter", "Bytes of request bodies."),
    "facade_sent_bytes_total": ("counter", "Bytes of answer bodies."),
    "facade_upstream_attempts_total": ("counter", "Times that a request was sent to a backend."),
    "facade_refused_total": ("counter", "What was refused before there was a request."),
    "facade_dropped_cookies_total": (
        "counter",
        "Cookies that a backend set although it may not see them.",
    ),
    "facade_added_fields_refused_total": (
        "counter",
        "Requests that a backend refused (400, 431), and that the added fields took past a usual limit.",
    ),
    "facade_path_policies_total": (
        "counter",
        "Requests whose odd path passed by the path policy of their route.",
    ),
    "facade_retries_total": ("counter", "Requests that were sent to the same backend again."),
    "facade_fallbacks_total": (
        "counter",
        "Requests that went to the other backend, by the one that was chosen first and its failure.",
    ),
    "facade_budget_exhausted_total": (
        "counter",
        "Retries and fallbacks that did not happen because too many were under way.",
    ),
    "facade_responses_not_ok_total": (
        "counter",
        "Responses of a backend that were not ok, on routes that judge them.",
    ),
    "facade_client_connections": ("gauge", "Connections of clients to a worker."),
    "facade_requests_in_flight": ("gauge", "Requests that backends are working on."),
    "facade_upstream_connections": ("gauge", "Connections to a backend, by what they do."),
    "facade_upstream_pending": ("gauge", "Requests that wait for a connection to a backend."),
    "facade_upstream_tolerated_total": (
        "counter",
        "Responses of a backend with a deviation from HTTP/1.1 that its table tolerates.",
    ),
    "facade_endpoints": ("gauge", "Endpoints of a backend, by their health."),
    "facade_breaker_open": ("gauge", "1 while no endpoint of a backend is available."),
    "facade_ejections_total": ("counter", "Ejections of endpoints of a backend."),
    "facade_probes_total": ("counter", "Probes of endpoints of a backend, by their result."),
    "facade_mirror_copies_total": (
        "counter",
        "Copies that were sent; and second requests for a baseline.",
    ),
    "facade_mirror_compared_total": ("counter", "Copies that were compared, by the outcome."),
    "facade_mirror_dropped_total": ("counter", "Copies that were not sent, or not compared."),
    "facade_mirror_process_up": ("gauge", "1 while the process that makes copies runs."),
    "facade_mirror_process_restarts_total": (
        "counter",
        "Processes for copies that took the place of one that ended.",
    ),
    "facade_access_log_dropped_total": (
        "counter",
        "Lines of the access log that could not be written.",
    ),
    "facade_event_loop_lag_seconds": (
        "gauge",
        "How late a worker's event loop was, at worst, in the last 15 s.",
    ),
    "facade_worker_cpu_seconds_total": (
        "counter",
        "CPU time of a worker, or of the mirror process.",
    ),
    "facade_worker_resident_bytes": ("gauge", "Memory of a worker, or of the mirror process."),
    "facade_worker_table_info": ("gauge", "The table that a worker serves."),
    "facade_workers": ("gauge", "Workers by state."),
    "facade_worker_restarts_total": ("counter", "Workers that took the place of one that ended."),
    "facade_table_info": ("gauge", "The table in effect."),
    "facade_table_age_seconds": ("gauge", "How long the table in effect has been."),
    "facade_table_routes": ("gauge", "Routes of the table in effect."),
    "facade_table_last_reload_ok": (
        "gauge",
        "1 if the last look at the file ended well, 0 if the last good table serves on.",
    ),
    "facade_table_reloads_total": ("counter", "Tables that took effect after the first."),
    "facade_table_failed_reloads_total": ("counter", "Edits that were refused."),
}
"""Type and help of every metric, by its name."""

Labels = tuple[tuple[str, str], ...]
_LE = tuple(f'le="{bound}"' for bound in (*BOUNDS_S, "+Inf"))


def head(name: str) -> str:
    """The lines of help and type."""
    kind, help_text = FAMILIES[name]
    return f"# HELP {name} {help_text}\n# TYPE {name} {kind}\n"


def family(name: str, samples: Iterable[tuple[Labels, float]]) -> str:
    """A metric with its samples."""
    lines = (f"{name}{{{rendered(labels)}}} {value}\n" for labels, value in samples)
    return head(name) + "".join(lines)


def single(name: str, value: float) -> str:
    """A metric with one sample."""
    return f"{head(name)}{name} {value}\n"


def by_worker(name: str, samples: list[tuple[str, float]]) -> str:
    """A metric with a sample for each worker."""
    return family(name, (((("worker", number),), value) for number, value in samples))


def by(label: str, values: Mapping[str, float]) -> Iterator[tuple[Labels, float]]:
    """Samples of one label."""
    return ((((label, key),), value) for key, value in values.items())


def by_two(
    labels: tuple[str, str], values: Mapping[tuple[str, str], float]
) -> Iterator[tuple[Labels, float]]:
    """Samples of two labels."""
    one, other = labels
    return ((((one, key), (other, detail)), value) for (key, detail), value in values.items())


def rendered(labels: Labels) -> str:
    """Labels as text, escaped, without the braces."""
    return ",".join(f'{label}="{_escaped(value)}"' for label, value in labels)


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def histogram(name: str, labels: str, buckets: list[int], seconds: float) -> str:
    """The lines of one histogram. `buckets` are not cumulated yet; `labels` are rendered."""
    lines = [
        f"{name}_bucket{{{labels},{le}}} {count}\n"
        for le, count in zip(_LE, accumulate(buckets), strict=True)
    ]
    total = sum(buckets)
    return f"{''.join(lines)}{name}_sum{{{labels}}} {seconds}\n{name}_count{{{labels}}} {total}\n"
