"""The parts of the benchmark page, as Markdown made from a results file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import report

Content = Mapping[str, Any]


def table(head: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """A Markdown table whose columns after the first `words` are figures."""
    rule = ["---"] * words + ["---:"] * (len(head) - words)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))


def machine(content: Content) -> str:
    """What the figures depend on, line by line."""
    found = content["machine"]
    lines = {
        "commit": f"`{found['commit'][:12]}`",
        "date": found["date"],
        "machine": f"{found['cpu']}, {found['cores']} cores, {found['vector_instructions']}",
        "caches": ", ".join(f"{name} {size}" for name, size in found["caches"].items()) or "unknown",
        "accelerator": found["gpu"]["name"] if found["gpu"] else "none",
        "threads": f"{found['threads']}; load {found['load_before'][0]:.2f} before, {found['load_after'][0]:.2f} after",
        "system": f"{found['platform']}, Python {found['python']}",
        "packages": ", ".join(f"{name} {number}" for name, number in found["packages"].items() if number),
    }
    return table(["run", ""], [[name, text] for name, text in lines.items()], 2)


def warning(content: Content) -> str:
    """What keeps these figures from being the last word; "" for a whole run of a commit."""
    problems = []
    if content["machine"]["dirty"]:
        problems.append("The sources had changes that the commit does not have.")
    if not content["complete"]:
        problems.append("The run left comparisons out.")
    if content["machine"]["load_before"][0] > 0.5:
        problems.append("The machine was busy before the run began.")
    return "\n".join(["```{warning}", *problems, "```"]) if problems else ""


def targets(content: Content, why: Mapping[str, str]) -> str:
    """Wanted, predicted, measured, and why the last two differ."""
    rows = []
    for each in content["targets"]:
        unit = each["unit"]
        figures = [report.with_unit(each[name], unit) for name in ("predicted", "measured")]
        said = [each["work"], report.verdict(each), each["basis"], why.get(each["key"], "")]
        rows.append([*said, f"{each['sign']} {each['wanted']:g} {unit}", *figures])
    head = ["work", "", "prediction from", "why the figure differs", "wanted", "predicted", "measured"]
    return table(head, rows, 4)


def floor(content: Content) -> str:
    """How the floor of PAA comes about."""
    found = content["floor"]
    if not found:
        return ""
    show = {name: report.number(value) for name, value in found.items()}
    return (
        f"The floor, measured in the same run: the focal terms of {found['candidates']:,} candidates and 80 classes "
        f"are {show['mflop']} MFLOP, {show['arithmetic_ms']} ms at the {show['sgemm_gflops']} GFLOP/s of a float32 "
        f"matrix product; in float64, as costs are computed, {show['arithmetic_float64_ms']} ms at "
        f"{show['dgemm_gflops']} GFLOP/s. Their {show['mbytes']} MB take {show['memory_ms']} ms at {show['read_gbs']} "
        "GB/s. A bound that skips terms may go below the floor."
    )


def losses(content: Content) -> str:
    """Every comparison that a peer wins."""
    items = []
    for row in content["cases"]:
        if row["ratio"] is not None and row["ratio"] < 1:
            peer, mine = row["fastest_peer"], row["fastest_ours"]
            took = {name: report.number(row["arms"][name]["median"]) for name in (peer, mine)}
            where = f"{row['method']} on {row['workload']}, {row['objects']:,} objects"
            items.append(f"- {where}: {peer} takes {took[peer]} ms, ours ({mine}) {took[mine]} ms.")
    return "\n".join(items) or "Nowhere in this run."


def comparisons(content: Content) -> str:
    """One table for each method."""
    parts = []
    for method in dict.fromkeys(row["method"] for row in content["cases"]):
        mine = [row for row in content["cases"] if row["method"] == method]
        names = list(dict.fromkeys(name for row in mine for name in row["arms"]))
        rows = [_comparison(row, names) for row in mine]
        parts.append(f"### {method}\n\nMilliseconds per call, median (quartiles): {mine[0]['about']}.\n")
        parts.append(table(["workload", "images", "objects", "priors", *names, "ratio"], rows) + "\n")
        parts += [f"{where} {said}.\n" for where, said in failures(mine)]
    return "\n".join(parts)


def failures(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Peers that raised instead of giving an answer: where, and what."""
    found = []
    for row in rows:
        said = [(name, text) for name, text in row["refused"].items() if text.startswith("raises ")]
        where = f"on {row['workload']} with {row['objects']:,} objects"
        found += [(f"{where} {name}", text.rstrip(".")) for name, text in said]
    return [(where[0].upper() + where[1:], text) for where, text in found]


def _comparison(row: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    best, cells = (row["fastest_ours"], row["fastest_peer"]), []
    for name in names:
        shown = report.span(row["arms"][name]) if name in row["arms"] else "–"
        cells.append(f"**{shown}**" if name in best else shown)
    sizes = [str(row["images"]), f"{row['objects']:,}", f"{row['priors']:,}"]
    return [row["workload"], *sizes, *cells, report.red(row) or report.number(row["ratio"])]


def gates(content: Content) -> str:
    """What counted as equal, and how much of it was excused."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in content["cases"]:
        for gate in row["gates"]:
            found.setdefault((row["method"], gate["rule"]), []).append(gate)
    rows = []
    for (method, rule), each in found.items():
        sums = [f"{sum(gate[name] for gate in each):,}" for name in ("of", "differing", "explained")]
        rows.append([method, rule, *sums, str(sum(not gate["green"] for gate in each))])
    return table(["method", "equal means", "compared", "differing", "explained", "red"], rows, 2)
