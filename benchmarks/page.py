"""Write the benchmark page of the documentation and its pictures: `python -m benchmarks.page [FILE]`."""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from benchmarks import plots, results, sections, sections_costs
from benchmarks.targets import TARGETS

DOCS = Path(__file__).parents[1] / "docs"
TEMPLATE = Path(__file__).with_name("template.md")
WHY = Path(__file__).with_name("why.toml")
"""Why a figure is not what was predicted: a sentence for a target's key, written by whoever read the profile."""
_PARTS = (
    *(sections.machine, sections.warning, sections.floor, sections.losses, sections.comparisons, sections.gates),
    *(sections_costs.memory, sections_costs.scaling, sections_costs.overhead),
)


def reasons(path: Path = WHY) -> dict[str, str]:
    """The written reasons by target; a key that no target has is an error, for its reason would be lost."""
    found = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
    unknown = sorted(set(found) - {target.key for target in TARGETS})
    if unknown:
        known = [target.key for target in TARGETS]
        raise ValueError(f"{path}: expected keys of targets {known}, got {unknown}; rename or remove them")
    return found


def page(content: Mapping[str, Any], name: str, pictures: Mapping[str, str], why: Mapping[str, str]) -> str:
    """The page's text; `pictures` maps paths from the page to titles."""
    parts = {part.__name__: part(content) for part in _PARTS}
    shown = "\n\n".join(f"{title}.\n\n![{title}]({path})" for path, title in pictures.items())
    return Template(TEMPLATE.read_text("utf-8")).substitute(
        parts,
        file=name,
        rounds=content["rounds"],
        threads=content["machine"]["threads"],
        targets=sections.targets(content, why),
        pictures=shown or "Too few points in this run.",
    )


def write(path: Path, docs: Path, why: Mapping[str, str]) -> Path:
    """Page and pictures under `docs` from the results file at `path`."""
    content = results.read(path)
    found = plots.save(content, docs / "images" / "benchmarks")
    pictures = {f"images/benchmarks/{name}": title for name, title in found.items()}
    target = docs / "benchmarks.md"
    docs.mkdir(parents=True, exist_ok=True)
    target.write_text(page(content, path.name, pictures, why), encoding="utf-8")
    return target


def main(words: list[str] | None = None) -> int:
    """Write the page from the named file or the newest one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", help="results file (default: the newest)")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of the page (default %(default)s)")
    asked = parser.parse_args(words)
    print(write(asked.file or results.newest(results.FOLDER), asked.docs, reasons()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
