"""Write the page of the documentation: `python -m benchmarks.adapters.page [FILE]`."""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from benchmarks import results, sections
from benchmarks.adapters import report
from benchmarks.report import number, span
from benchmarks.sections import table

DOCS = Path(__file__).parents[2] / "docs"
TEMPLATE = Path(__file__).with_name("template.md")
WHY = Path(__file__).with_name("why.toml")
"""Why an overhead is higher than wanted: a sentence for a detector's name, written by whoever read the profile."""
MIXTURES = ("mmdet PAAHead", "mmdet LAD")
Content = Mapping[str, Any]


def _measured(content: Content) -> list[dict[str, Any]]:
    return [row for row in content["subjects"] if row["step"] is not None]


def goals(content: Content, why: Mapping[str, str]) -> str:
    """Overheads against what was wanted."""
    rows = []
    for row in _measured(content):
        times = [number(row["assignment"][side]["median"]) for side in ("stock", "ours")]
        verdict = report.verdict(row)
        reason = why.get(row["name"], "") if verdict != "reached" else ""
        rows.append([report.title(row), verdict, reason, *times, *report.overhead(row)])
    head = ["detector", "≤ 5 %", "why not", "assignment, stock", "ours", "overhead", "of stock's assignment"]
    return table(head, rows, 3)


def steps(content: Content, names: tuple[str, ...] = ()) -> str:
    """Whole steps: CPU time with quartiles, and by the clock on the wall."""
    rows = []
    for row in _measured(content):
        if names and row["name"] not in names:
            continue
        step = row["step"]
        cpu, wall = ([step[side][clock] for side in ("stock", "ours")] for clock in ("cpu", "wall"))
        sizes = [f"{row['images']} × {row['side']}²", f"{row['priors']:,}", str(row["objects"])]
        shown = [*map(span, cpu), f"**{number(step['ratio'])}**", *(number(each["median"]) for each in wall)]
        rows.append([row["name"], *sizes, *shown])
    head = ["detector", "images", "priors", "objects per image", "stock", "ours", "ratio", "stock, wall", "ours, wall"]
    return table(head, rows)


def parts(content: Content) -> str:
    """The loss part alone."""
    rows = []
    for row in _measured(content):
        both = [row["loss"][side] for side in ("stock", "ours")]
        cpu, wall = ([each[clock] for each in both] for clock in ("cpu", "wall"))
        shown = [*map(span, cpu), *(number(each["median"]) for each in wall)]
        rows.append([report.title(row), *shown, str(cpu[0]["calls"])])
    return table(["detector", "stock", "ours", "stock, wall", "ours, wall", "rounds"], rows)


def losses(content: Content) -> str:
    """Every whole step in which stock is faster, and everything that has no figure."""
    items = []
    for row in content["subjects"]:
        if report.problem(row):
            items.append(f"- {report.title(row)}: {report.problem(row)}.")
        elif row["step"]["ratio"] < 1:
            took = [number(row["step"][side]["cpu"]["median"]) for side in ("stock", "ours")]
            items.append(f"- {report.title(row)}: stock takes {took[0]} ms, ours {took[1]} ms.")
    return "\n".join(items) or "Nowhere in this run."


def page(content: Content, name: str, why: Mapping[str, str]) -> str:
    """The page's text."""
    shown = {"goals": goals(content, why), "steps": steps(content), "mixtures": steps(content, MIXTURES)}
    shown |= {"losses": losses(content), "parts": parts(content), "machine": sections.machine(content)}
    warning, note = sections.warning(content), content["note"]
    note = f"What else the machine did meanwhile: {note}." if note else ""
    return Template(TEMPLATE.read_text("utf-8")).substitute(shown, file=name, warning=warning, note=note)


def reasons(path: Path = WHY) -> dict[str, str]:
    """The written reasons by detector; a name that no detector has is an error, for its reason would be lost."""
    from benchmarks.adapters.__main__ import subjects

    found = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
    known = [each.name for each in subjects()]
    unknown = sorted(set(found) - set(known))
    if unknown:
        raise ValueError(f"{path}: expected names of detectors {known}, got {unknown}; rename or remove them")
    return found


def write(path: Path, docs: Path, why: Mapping[str, str]) -> Path:
    """The page under `docs` from the results file at `path`."""
    target = docs / "benchmarks-adapters.md"
    docs.mkdir(parents=True, exist_ok=True)
    target.write_text(page(results.read(path, results.ADAPTERS), path.name, why), encoding="utf-8")
    return target


def main(words: list[str] | None = None) -> int:
    """Write the page from the named file or the newest one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adapters.page", description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", help="results file (default: the newest)")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of the page (default %(default)s)")
    asked = parser.parse_args(words)
    print(write(asked.file or results.newest(results.FOLDER, "adapters"), asked.docs, reasons()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
