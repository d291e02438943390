"""What one instance is set to: packing, batch size, threads, timeout."""

from __future__ import annotations

from dataclasses import dataclass

#: A decision's "keep what is in force".
KEEP = -1
#: The same for a share, which is unsigned.
KEEP_SHARE = 65535
#: `timeout_ns` for deadline batching: a batch leaves in time for its oldest image's SLO (docs/contract.md).
DEADLINE = -2
#: Thread actions of FCPO, (pre, post) by index (specs: the paper's "threads" head).
THREAD_ACTIONS = ((1, 1), (2, 1), (1, 2), (2, 2))
#: More threads per stage than this are refused.
MAX_THREADS = 8
#: Images packed into one frame at most, and the recall that packing leaves (ours, docs/contract.md).
MAX_PACK = 4
PACK_RECALL = (1.0, 0.8, 0.7, 0.6)


@dataclass(frozen=True)
class Settings:
    """Settings of one instance. `timeout_ns` 0 = none (FIXED batching), `DEADLINE` = deadline batching."""

    pack: int = 1
    batch: int = 1
    pre: int = 1
    post: int = 1
    timeout_ns: int = 0
