"""The results file of this benchmark, held to its schema when it is written and when it is read."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from benchmarks.results import FOLDER as FOLDER
from benchmarks.results import SCHEMA as OTHERS

SCHEMA = Path(__file__).with_name("schema.json")


@cache
def _validator() -> jsonschema.Draft202012Validator:
    schema, others = (json.loads(path.read_text("utf-8")) for path in (SCHEMA, OTHERS))
    schema["$defs"] |= {name: others["$defs"][name] for name in ("machine", "load")}
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def validate(content: dict[str, Any]) -> None:
    """Raise jsonschema.ValidationError, which names the place, for what the schema does not describe."""
    _validator().validate(content)


def write(folder: Path, content: dict[str, Any]) -> Path:
    """Write to a file of its own, named by date."""
    content["machine"]["load_after"] = list(os.getloadavg())
    validate(content)
    folder.mkdir(parents=True, exist_ok=True)
    stamp = content["machine"]["date"].replace(":", "").replace("-", "")[:15]
    path = folder / f"adapters-{stamp}.json"
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read(path: Path) -> dict[str, Any]:
    """The content of a results file."""
    content = json.loads(path.read_text("utf-8"))
    validate(content)
    return content
