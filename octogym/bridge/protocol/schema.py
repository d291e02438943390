"""The JSON schema of all messages and of a deployment, from the structs themselves (docs/protocol.schema.json).

On the wire they are msgpack; the schema speaks of the same maps.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Dict, List, Optional, Tuple

import msgspec

from octogym.bridge.protocol import messages as m
from octogym.bridge.protocol.codec import MAX_CONTROL, MAX_MODEL
from octogym.bridge.protocol.deployment import Deployment
from octogym.bridge.protocol.ranges import RANGES, TEXT_IN_LIST, WORDS


def json_schema() -> Dict[str, Any]:
    """JSON Schema 2020-12 of a header frame (any message) and, under `$defs`, of each struct."""
    _, parts = msgspec.json.schema_components((m.Message, Deployment), ref_template="#/$defs/{name}")
    for name, part in parts.items():
        tag = part["properties"].get("type", {}).get("enum", [None])[0] if "properties" in part else None
        if "description" in part:
            part["description"] = " ".join(part["description"].split())
        for field, schema in part.get("properties", {}).items():
            if field == "tables":
                schema.update({"type": "array", "items": {"$ref": "#/$defs/Table"}})
            if name not in _DEPLOYMENT:
                _limit(schema, WORDS.get((str(tag), field)) or RANGES.get(field))
    kinds: List[Any] = [*m.FROM_NODE, *m.FROM_HOST[:-1], m.Model]  # both sides send Bye
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"OctoGym bridge protocol, version {m.VERSION}",
        "description": f"Header frame of a message. A control message has at most {MAX_CONTROL} bytes in all, "
        f"weights at most {MAX_MODEL}.",
        "anyOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in kinds],
        "$defs": parts,
    }


_DEPLOYMENT = ("Deployment", "InstanceSpec", "RouteSpec", "CameraSpec", "SettingsSpec", "Table")


def _limit(schema: Dict[str, Any], span: Optional[Tuple[int, int]]) -> None:
    """Put a range of `octogym.bridge.protocol.ranges` into a field's schema."""
    if span is None or "enum" in schema:
        return
    low, high = span
    kind = schema.get("type")
    if kind == "integer":
        schema["minimum"], schema["maximum"] = low, high
    elif kind == "string":
        schema["minLength"], schema["maxLength"] = low, high
    elif kind == "array":
        schema["minItems"], schema["maxItems"] = low, high
    elif kind == "object":
        schema["maxProperties"] = high
    if kind in ("array", "object"):
        inner = schema.get("items") or schema.get("additionalProperties") or {}
        if inner.get("type") == "string":
            inner["minLength"], inner["maxLength"] = TEXT_IN_LIST


def schema_text() -> str:
    """The published file's text."""
    return json.dumps(json_schema(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
