"""What is compared: each method's own call, its peers, and the gate between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import labelassign as la
from benchmarks import calls, field, gates, peers
from benchmarks.arms import Arm
from benchmarks.calls import Call
from benchmarks.gates import Verdict
from benchmarks.method import Method
from benchmarks.workloads import COCO, Problem


def _mmdet(call: Callable[[Problem], Call], note: str) -> Callable[[Problem], list[Arm]]:
    return lambda problem: [Arm("mmdet", call(problem), peer=True, note=note)]


def _mixture_peers(problem: Problem) -> list[Arm]:
    cost, count = calls.samples(problem)
    pairs = zip(cost.double().cpu().numpy(), count.tolist(), strict=True)
    rows = [row[:n, None] for row, n in pairs]
    arms = {"scikit-learn": False, "scikit-learn, unchecked": True}
    note = {False: "one GaussianMixture per object, as PAA heads do", True: "the same, its checks of input off"}
    return [Arm(n, lambda q=q: peers.gaussian_mixtures(rows, q), peer=True, note=note[q]) for n, q in arms.items()]


def _mixture_gate(problem: Problem, ours: Any, theirs: Any) -> Verdict:
    cost, _ = calls.samples(problem)
    fit, x = ours[0], cost.double()[..., None]
    z = (x - fit.means[:, None]) ** 2 / fit.variances[:, None]
    low, high = (fit.weights.log() - 0.5 * fit.variances.log())[:, None].sub(0.5 * z).unbind(-1)
    return gates.mixture(ours, theirs, (low - high).abs() > 1e-9)


_DECODED = "from decoded boxes and logits to an Assignment"
_mmdet_paa = _mmdet(lambda p: peers.paa(p, p.student), "PAAHead: get_targets, get_pos_loss, paa_reassign")
_methods = (
    Method("PAA", calls.paa, _mmdet_paa, lambda p, a, b: gates.paa(p, p.student, a, peers.paa_rows(b)), _DECODED),
    Method(
        "PAA with decoding",
        calls.decoding,
        _mmdet_paa,
        lambda p, a, b: gates.paa(p, p.student, a, peers.paa_rows(b)),
        "from deltas and logits: ours decodes every box, mmdet those of candidates",
        workloads=(COCO,),
    ),
    Method(
        "LAD",
        calls.lad,
        _mmdet(lambda p: peers.paa(p, p.teacher), "what LADHead does with the teacher's outputs"),
        lambda p, a, b: gates.paa(p, p.teacher, a, peers.paa_rows(b)),
        _DECODED,
    ),
    Method(
        "CoLAD", calls.colad, lambda _: [], lambda *_: Verdict(0, 0, 0, ""), f"two networks, Fisher's score; {_DECODED}"
    ),
    Method(
        "MaxIoU, mmdet's rules",
        calls.geometric(la.MaxIoU.mmdet_retinanet()),
        _mmdet(peers.max_iou, "MaxIoUAssigner"),
        lambda p, a, b: gates.same_rows(p, a, peers.mmdet_rows(b)),
        "RetinaNet's thresholds",
    ),
    Method(
        "MaxIoU, torchvision's rules",
        calls.geometric(la.MaxIoU.retinanet()),
        lambda problem: [Arm("torchvision", peers.torchvision(problem), peer=True, note="box_iou and Matcher")],
        gates.same_rows,
        "RetinaNet's thresholds",
    ),
    Method(
        "ATSS",
        calls.geometric(la.ATSS.mmdet()),
        _mmdet(peers.atss, "ATSSAssigner"),
        lambda p, a, b: gates.atss(p, a, peers.mmdet_rows(b)),
        "nine candidates per object and level",
    ),
    Method(
        "mixture per object",
        calls.mixture,
        _mixture_peers,
        _mixture_gate,
        "fit, component and log density of the costs of PAA's candidates",
        gates.same_mixture,
        needs_objects=True,
    ),
)
METHODS: Mapping[str, Method] = {each.name: each for each in (*_methods, *field.METHODS)}
