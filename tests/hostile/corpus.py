"""The whole corpus, every name once."""

from tests.hostile.cases import Case, Hostile
from tests.hostile.corpus_behind import BEHIND
from tests.hostile.corpus_chunks import CHUNKS
from tests.hostile.corpus_fields import FIELD_RULES
from tests.hostile.corpus_heads import HEADS
from tests.hostile.corpus_lengths import FRAMING
from tests.hostile.corpus_response_bodies import RESPONSE_BODIES
from tests.hostile.corpus_responses import RESPONSES
from tests.hostile.corpus_targets import TARGETS

REQUESTS: tuple[Case, ...] = (*FRAMING, *CHUNKS, *HEADS, *TARGETS, *BEHIND, *FIELD_RULES)
HOSTILE: tuple[Hostile, ...] = (*RESPONSES, *RESPONSE_BODIES)
