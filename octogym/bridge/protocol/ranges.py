"""What the fields of messages may hold."""

from __future__ import annotations

from typing import Dict, Tuple

_COUNT = (0, 2**62)
_NS = (-(2**62), 2**62)
_SIGNED = (-1, 2**62)
_WORD, _TEXT, _LIST = (0, 200), (0, 1000), (0, 1024)
#: Characters of each text in a list or map of texts.
TEXT_IN_LIST = _WORD
#: What a field may hold: least and most of a number, of the characters of a text, of the entries of a list or map.
RANGES: Dict[str, Tuple[int, int]] = {
    "session": _COUNT,
    "epoch": _COUNT,
    "seq": _COUNT,
    "boot": _COUNT,
    "nonce": _COUNT,
    "episode": _COUNT,
    "seed": _COUNT,
    "round": _COUNT,
    "version": (1, 2**31),
    "window": _SIGNED,
    "heard": _SIGNED,
    "acted_window": _SIGNED,
    "instance": _SIGNED,  # of Fault; that of Model is a word
    "windows": _COUNT,
    "seen": _COUNT,
    "period_ns": (1_000_000, 3_600_000_000_000),
    "window_ns": _COUNT,
    "in_ns": (0, 2**43),  # over two hours
    "t_ns": _NS,
    "t1_ns": _NS,
    "t2_ns": _NS,
    "t3_ns": _NS,
    "tick_ns": _NS,
    "model_port": (0, 65535),
    "cores": (0, 65535),
    "gpus": (0, 65535),
    "lanes": (0, 65535),
    "memory_bytes": _COUNT,
    "device": (1, 200),
    "type": _WORD,
    "name": (1, 200),
    "kind": _WORD,
    "code": _WORD,
    "text": _TEXT,
    "address": _WORD,
    "key": _WORD,
    "dtype": _WORD,
    "sha256": (64, 64),
    "contract_hash": (64, 64),
    "versions": (1, 16),
    "shape": (0, 4),
    "models": _LIST,
    "sources": _LIST,
    "peers": _LIST,
    "tables": (0, 256),
    "about": (0, 64),
}
#: Texts whose name means a number elsewhere.
WORDS = {("model", "instance"): _WORD}
