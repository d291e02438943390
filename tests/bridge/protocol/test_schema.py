import json
from pathlib import Path

import msgspec
import pytest

from octogym.bridge.protocol import messages as m
from octogym.bridge.protocol.ranges import RANGES
from octogym.bridge.protocol.schema import json_schema, schema_text

DOCS = Path(__file__).parents[3] / "docs"


def test_the_published_schema_is_that_of_the_structs():
    published = (DOCS / "protocol.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(), "write it anew: docs/protocol.md, 'The schema'"


def test_every_message_and_every_range_is_in_it():
    parts = json_schema()["$defs"]
    for kind in (*m.FROM_NODE, *m.FROM_HOST, m.Model):
        fields = parts[kind.__name__]["properties"]
        assert set(fields) == {"type", *kind.__struct_fields__}
    assert parts["Act"]["properties"]["window"]["minimum"] == RANGES["window"][0]
    assert parts["Bye"]["properties"]["text"]["maxLength"] == RANGES["text"][1]
    assert parts["Model"]["properties"]["instance"]["maxLength"] == 200


@pytest.mark.parametrize("kind", (*m.FROM_NODE, *m.FROM_HOST[:-1], m.Model), ids=lambda kind: kind.__name__)
def test_the_document_tells_of_every_message_and_field(kind):
    text = (DOCS / "protocol.md").read_text(encoding="utf-8")
    tag = kind.__struct_config__.tag
    assert f"### `{tag}`" in text
    section = text.split(f"### `{tag}`")[1].split("\n### ")[0].split("\n## ")[0]
    for field in kind.__struct_fields__:
        assert f"`{field}`" in section, f"{tag}.{field}"


def test_the_schema_is_json():
    assert json.loads(schema_text()) == json_schema()
    assert msgspec.json.decode(schema_text())
