"""The log: one JSON object per line on stderr."""

import logging
from datetime import UTC, datetime

import msgspec

from flightspecial_service.tracing import current

LEVELS = ("debug", "info", "warning", "error")
_OWN = "flightspecial_service"
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "color_message",
    "taskName",
}


class JsonLines(logging.Formatter):
    """Formats a record as a line of JSON: its fields, the ids of the request, `extra`, the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        ids = current.get()
        if ids is not None:
            line["request_id"] = ids.request_id.decode("ascii")
            if ids.trace_id:
                line |= {"trace_id": ids.trace_id, "parent_id": ids.parent_id}
        extra = {key: value for key, value in vars(record).items() if key not in _PLAIN}
        line.update(extra)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        # Text from outside may contain a lone surrogate, which UTF-8 cannot encode: write it as \udXXX.
        safe = {
            key: value.encode(errors="backslashreplace").decode()
            if isinstance(value, str)
            else value
            for key, value in line.items()
        }
        return msgspec.json.encode(safe, enc_hook=repr).decode()


def log_to_stderr() -> None:
    """Send all loggers of the process to stderr as JSON lines, from level INFO."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def set_level(level: str) -> None:
    """Set the level of this package's loggers to one of `LEVELS`.

    Loggers of libraries keep theirs: at level debug botocore would log secrets.
    """
    logging.getLogger(_OWN).setLevel(level.upper())


def level() -> str:
    """The level of this package's loggers."""
    return logging.getLevelName(logging.getLogger(_OWN).getEffectiveLevel()).lower()
