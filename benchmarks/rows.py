"""Figures as the results file has them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from benchmarks import timing
from benchmarks.arms import Arm


def of_arm(arm: Arm, times: timing.Times) -> dict[str, Any]:
    """One arm as the results file has it."""
    return {"peer": arm.peer, "note": arm.note, "paths": dict(arm.paths), **asdict(times)}


def ratio(found: dict[str, Any]) -> dict[str, Any]:
    """The fastest of either side, by medians, and how many times faster ours is.

    A compiled arm is shown and not counted: most code calls an assigner as it is.
    """
    best: dict[bool, str] = {}
    for name, arm in found.items():
        if name == "compiled":
            continue
        if arm["peer"] not in best or arm["median"] < found[best[arm["peer"]]]["median"]:
            best[arm["peer"]] = name
    ours, peer = best.get(False), best.get(True)
    value = None if ours is None or peer is None else round(found[peer]["median"] / found[ours]["median"], 3)
    return {"fastest_ours": ours, "fastest_peer": peer, "ratio": value}
