"""docs/operations.md and the dashboard tell of what there is, and of nothing else."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from proxy import errors
from proxy.cli.serve_options import OPTIONS
from proxy.control.table_watcher import TableWatcher
from proxy.health.state import EndpointState
from proxy.routing.transforms.sent_head import SentHead
from proxy.telemetry.counters import RequestCounters
from proxy.telemetry.log_line import LogLine
from proxy.telemetry.metric_text import FAMILIES
from proxy.telemetry.mirror_counters import MirrorCounters
from proxy.telemetry.prometheus import exposition
from proxy.telemetry.request_record import Record
from proxy.telemetry.shared_health import HealthReport
from proxy.telemetry.shared_memory import Connections, SharedStats, WorkerStatus
from tests.make import decided, facts, refs, route, table

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana" / "facade.json").read_text())
LABELS = {
    "facade_requests_total": {"route", "backend", "code", "reason"},
    "facade_request_duration_seconds": {"route", "backend", "le"},
    "facade_first_byte_seconds": {"route", "backend", "le"},
    "facade_received_bytes_total": {"route", "backend"},
    "facade_sent_bytes_total": {"route", "backend"},
    "facade_upstream_attempts_total": {"backend"},
    "facade_refused_total": {"kind"},
    "facade_dropped_cookies_total": {"backend"},
    "facade_path_policies_total": {"route", "policy"},
    "facade_added_fields_refused_total": {"backend"},
    "facade_retries_total": {"route", "backend"},
    "facade_fallbacks_total": {"route", "backend", "reason"},
    "facade_budget_exhausted_total": {"route", "backend", "budget"},
    "facade_responses_not_ok_total": {"route", "backend"},
    "facade_client_connections": {"worker"},
    "facade_requests_in_flight": set(),
    "facade_upstream_connections": {"backend", "state"},
    "facade_upstream_pending": {"backend"},
    "facade_upstream_tolerated_total": {"backend", "kind"},
    "facade_endpoints": {"backend", "state"},
    "facade_breaker_open": {"backend"},
    "facade_ejections_total": {"backend"},
    "facade_probes_total": {"backend", "result"},
    "facade_mirror_copies_total": {"route", "kind"},
    "facade_mirror_compared_total": {"route", "outcome"},
    "facade_mirror_dropped_total": {"route", "reason"},
    "facade_mirror_process_up": set(),
    "facade_mirror_process_restarts_total": set(),
    "facade_access_log_dropped_total": {"worker"},
    "facade_event_loop_lag_seconds": {"worker"},
    "facade_worker_cpu_seconds_total": {"worker"},
    "facade_worker_resident_bytes": {"worker"},
    "facade_worker_table_info": {"worker", "version"},
    "facade_workers": {"state"},
    "facade_worker_restarts_total": set(),
    "facade_table_info": {"version"},
    "facade_table_age_seconds": set(),
    "facade_table_routes": set(),
    "facade_table_last_reload_ok": set(),
    "facade_table_reloads_total": set(),
    "facade_table_failed_reloads_total": set(),
}
_METRIC = re.compile(r"\bfacade_[a-z_]+\b")


def rows(heading: str) -> list[list[str]]:
    """The cells of all tables under a heading."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]


def family_of(name: str) -> str:
    """The family that a series in a query belongs to."""
    plain = re.sub(r"_(bucket|sum|count)$", "", name)
    return plain if FAMILIES.get(plain, ("", ""))[0] == "histogram" else name


def alerts() -> list[str]:
    return [row[2].strip().strip("`").replace("\\|", "|") for row in rows("Metrics")[2:]]


def queries() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]


def test_every_metric_is_explained_with_its_labels() -> None:
    told = {}
    for row in rows("Metrics")[2:]:
        found = re.fullmatch(r"`(facade_\w+)(?:\{([\w,]+)\})?`", row[0].strip())
        assert found is not None, row[0]
        told[found[1]] = set(found[2].split(",")) if found[2] else set()
        assert row[1].strip()
    assert told == {name: labels - {"le"} for name, labels in LABELS.items()}
    assert told.keys() == FAMILIES.keys()


@pytest.mark.parametrize("query", [*alerts(), *queries()])
def test_a_query_asks_for_what_there_is(query: str) -> None:
    names = {family_of(name) for name in _METRIC.findall(query)}
    assert names
    assert names <= FAMILIES.keys()
    known = set().union(*(LABELS[name] for name in names)) | {"instance"}
    grouped = re.findall(r"\bby \(([^)]*)\)", query)
    selected = re.findall(r"[{,]\s*(\w+)\s*(?:=~|!=|!~|=)", query)
    assert {label.strip() for each in grouped for label in each.split(",")} | set(selected) <= known
    assert query.count("(") == query.count(")")


def test_the_labels_are_those_that_are_told(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(
        "version: 1\nbackends: {a: {url: http://h, health_check: {path: /}}}\nroutes: [{name: r, backend_refs: a}]\n"
    )
    stats = SharedStats()
    counters = RequestCounters(stats.workers[0])
    only = route("r", to=refs(a=100))
    record = Record("v", 0, facts(), decided(table(only), only, facts(), 0), only)
    record.dropped_cookies = ("sid",)
    record.path_policy = ("double_slash: merge",)
    record.refused_head = SentHead(103, 8, 9000, past_usual_limit=True)
    counters.count_request(record)
    counters.count_refused("too_slow")
    decision = decided(table(only), only, facts(), 0)
    counters.count_recovery("retry", decision)
    counters.count_recovery("fallback", decision, "timeout")
    counters.count_recovery("budget", decision, "retry")
    counters.count_recovery("not_ok", decision)
    MirrorCounters(stats.workers[0]).count_drop("r", "body")
    stats.workers[0].publish(
        WorkerStatus("v", backends={"a": Connections(1, 1, 1, 1, {"bare_lf": 1})})
    )
    stats.health.publish(HealthReport({"a": {"http://h": EndpointState()}}), is_change=True)
    told: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(
        "".join(exposition(stats, TableWatcher(path, {}, lambda _: None).table))
    ):
        for sample in family.samples:
            told.setdefault(family_of(sample.name), set()).update(sample.labels)
    assert told == LABELS


def test_every_metric_is_alerted_on_by_its_own_row() -> None:
    for row, alert in zip(rows("Metrics")[2:], alerts(), strict=True):
        found = _METRIC.search(row[0])
        assert found is not None
        assert found[0] in {family_of(name) for name in _METRIC.findall(alert)}


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {family_of(name) for query in queries() for name in _METRIC.findall(query)}
    assert shown == FAMILIES.keys()


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    assert DASHBOARD["schemaVersion"] >= 36
    assert DASHBOARD["uid"]
    variables = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval"}
            assert used <= variables.keys()


def test_no_panel_covers_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_every_option_is_in_the_page() -> None:
    told = "".join(cell for row in rows("Options") for cell in row)
    for option in OPTIONS:
        assert f"`--{option.name} {option.metavar}`".replace("|", "\\|") in told
        assert f"`{option.variable}`" in told
    assert set(re.findall(r"`(FACADE_\w+)`", PAGE)) == {option.variable for option in OPTIONS}


def test_every_field_of_the_access_log_is_in_the_page() -> None:
    cells = [row[0] for row in rows("The access log")]
    until = next(number for number, cell in enumerate(cells) if cell.strip() == "reason")
    told = set(re.findall(r"`(\w+)`", "".join(cells[:until])))
    assert told == {field.encode_name for field in msgspec.structs.fields(LogLine)}


def test_every_reason_is_in_the_page() -> None:
    cells = [row[0] for row in rows("The access log")]
    until = next(number for number, cell in enumerate(cells) if cell.strip() == "reason")
    told = set(re.findall(r"`(\w+)`", "".join(cells[until:])))
    of_errors = {
        each.reason
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.RequestError)
    }
    of_bounds = {
        *("head_timeout", "body_timeout", "too_slow"),
        *("too_many_connections", "connections_per_client"),
    }
    of_decisions = {
        *(
            "only",
            "stage",
            "cohort",
            "draw",
            "override",
            "read_your_writes",
            "kill_switch",
            "direct_response",
            "redirect",
            "retired",
            "preflight",
        ),
    }
    assert told == (of_errors - {"error"}) | of_bounds | of_decisions


def test_its_probes_are_yaml() -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (probes,) = [yaml.safe_load(block) for block in blocks]
    assert probes["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert probes["readinessProbe"]["httpGet"]["path"] == "/readyz"
