"""The stages of a migration."""

from typing import Literal

Stage = Literal["legacy", "shadow", "canary", "live", "retired"]
STAGES: tuple[Stage, ...] = ("legacy", "shadow", "canary", "live", "retired")
