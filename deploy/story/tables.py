"""The tables of the story, one for each thing that changes in them by hand."""

_HEAD = """\
version: 1
backends:
  legacy: http://127.0.0.1:{legacy}
  newcomer: {newcomer}
  flightspecials: http://127.0.0.1:{service}
cohorts:
  users: {{salt: story, hash_policy: [{{cookie: user}}]}}
routes:
"""
_REST = "  - {name: everything-else, backend_refs: legacy}\n"
_API = """\
  - name: flightspecials-api
    match: {path: {prefix: /flightspecials}}
"""
_STUB = "    direct_response: {status: 501, body: not implemented}\n"
_API_BACKEND = "    backend_refs: flightspecials\n"
_SEAM = """\
  - name: flightspecials
    stage: legacy
    match: {path: {exact: /travelbuddy/flightspecials}}
    backend_refs: {legacy: 100, newcomer: 0}
    cohort: users
    override: {header: x-facade-backend, allow_from: [127.0.0.0/8]}
    fallback: {triggers: [connect_failure, timeout, 502, 503, 504]}
    rollout:
      steps:
        - set_stage: shadow
        - set_weight: 30
        - analysis: ANALYSIS
        - set_weight: 70
        - analysis: ANALYSIS
        - set_weight: 100
        - pause: {duration: 2s}
      analysis:
        interval: 1s
        min_requests: 50
        metrics:
          - {name: success_rate, success_condition: "new >= 0.9 and new >= legacy - 0.05"}
      on_failure: {set_weight: 0, set_stage: shadow}
"""
_SHADOW = """\
    mirror:
      compare:
        body:
          equal: {"$": {as: set, key: id}}
          ignore:
            - {path: "$[*].expiryDate", reason: each draws its own samples, owner: story, expires: "2099-12-31"}
            - {path: "$[*].body", reason: the monolith marks one of its samples, owner: story, expires: "2099-12-31"}
            - {path: "$[*].cost", reason: each draws its own samples, owner: story, expires: "2099-12-31"}
"""
_ALONE = """\
  - name: flightspecials
    match: {path: {exact: /travelbuddy/flightspecials}}
    backend_refs: newcomer
"""


class Tables:
    """The texts, with the addresses of the stack."""

    def __init__(self, legacy: int, service: int, newcomer: str, analysis: str) -> None:
        """`analysis` is that of a newcomer that works."""
        self._head = _HEAD.format(legacy=legacy, service=service, newcomer=newcomer)
        self._analysis = analysis

    @property
    def proxy(self) -> str:
        """Everything goes to the monolith."""
        return self._head + _REST

    @property
    def stub(self) -> str:
        """The address of the new service exists, and does nothing."""
        return self._head + _API + _STUB + _REST

    @property
    def dark(self) -> str:
        """The new service is deployed, and gets no request of the list without an override."""
        return self._with_seam("{duration: 2m}")

    @property
    def shadow(self) -> str:
        """The same, and the new service gets a copy of each request of the list."""
        return self.dark.replace("stage: legacy", "stage: shadow").replace(_REST, _SHADOW + _REST)

    @property
    def mended(self) -> str:
        """The same, for the second rollout."""
        return self._with_seam(self._analysis)

    def _with_seam(self, analysis: str) -> str:
        return self._head + _API + _API_BACKEND + _SEAM.replace("ANALYSIS", analysis) + _REST

    @property
    def alone(self) -> str:
        """The monolith's list is gone."""
        return self._head + _API + _API_BACKEND + _ALONE + _REST
