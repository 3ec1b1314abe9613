"""How far the migration of a route has come."""

from typing import Literal

Stage = Literal["legacy", "shadow", "canary", "live", "retired"]
STAGES: tuple[Stage, ...] = ("legacy", "shadow", "canary", "live", "retired")
