"""The results file: machine, comparisons and targets as JSON, held to a schema when it is written and when read."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

FOLDER = Path(__file__).parent / "results"
SCHEMA = Path(__file__).with_name("schema.json")
ADAPTERS = Path(__file__).parent / "adapters" / "schema.json"
"""Of what `benchmarks.adapters` measures; what describes machines is the same."""


@cache
def _validator(path: Path) -> jsonschema.Draft202012Validator:
    schema, shared = (json.loads(each.read_text("utf-8")) for each in (path, SCHEMA))
    schema["$defs"] = shared["$defs"] | schema["$defs"]
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def validate(content: dict[str, Any], schema: Path = SCHEMA) -> None:
    """Raise jsonschema.ValidationError, which names the place, for what the schema does not describe."""
    _validator(schema).validate(content)


def write(folder: Path, content: dict[str, Any], schema: Path = SCHEMA) -> Path:
    """Write to a file of its own, named by kind and date."""
    content["machine"]["load_after"] = list(os.getloadavg())
    validate(content, schema)
    folder.mkdir(parents=True, exist_ok=True)
    stamp = content["machine"]["date"].replace(":", "").replace("-", "")[:15]
    path = folder / f"{content['kind']}-{stamp}.json"
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read(path: Path, schema: Path = SCHEMA) -> dict[str, Any]:
    """The content of a results file."""
    content = json.loads(path.read_text("utf-8"))
    validate(content, schema)
    return content


def newest(folder: Path, kind: str = "cpu") -> Path:
    """The last file of a kind by the date in its name."""
    found = sorted(folder.glob(f"{kind}-*.json"))
    if not found:
        raise FileNotFoundError(f"expected a file {kind}-*.json in {folder}, found none; run `python -m benchmarks`")
    return found[-1]
