"""Every assigner of the package, once: the laws, the compiled tests and the synchronisation guard take them from here.

An entry says what the assigner is exempt from and why; tests/laws/test_exemptions.py holds a counterexample of each.
"""

import os
from dataclasses import replace
from functools import partial

import hypothesis

import labelassign as la
from labelassign.testing import Subject
from tests.laws import central, definitions, matching, points, transport, turned, wrappers

_ZERO = "an object that overlaps no prior claims every prior that it does not touch, as in the published code"
_LAST = "of two objects that claim one prior the later row wins, as in the published code"
_FIRST = "an object that overlaps no prior claims the first one, as in the published code"
_UNIT = "the networks are compared over all objects of the {}, and the better one decides for all of them"
_AREA = "areas are compared in float32 beside 1e8 square pixels, as in the published code"
_REACH = "an object takes as many priors as another, however far away they are"
_ANY = "an object may choose priors that only other objects' regions hold, as in the published code"
_COIN = "the coin of an object or an image is thrown by its number in the batch"
_METHODS = {
    la.MaxIoU: (definitions.max_iou_condition, definitions.max_iou_reason),
    la.ATSS: (definitions.atss_condition, definitions.atss_reason),
    la.PAA: (definitions.paa_condition, definitions.paa_reason),
    **dict.fromkeys((la.TaskAligned, la.SimOTA, la.DynamicSoftLabel), (central.condition, central.reason)),
    la.FCOS: (points.fcos_condition, points.fcos_reason),
    la.Uniform: (points.uniform_condition, points.uniform_reason),
    la.OTA: (transport.condition, transport.reason),
}


def _larger(assigner, factor):
    inside = {name: _larger(getattr(assigner, name), factor) for name in wrappers.parts(assigner)}
    if inside:
        return replace(assigner, **inside)
    pixels = {name: getattr(assigner, name) * factor for name in ("margin", "floor") if hasattr(assigner, name)}
    return replace(assigner, **pixels)


def _entry(name, assigner, **exempt):
    base = definitions.inner(assigner)
    condition, reason = (partial(check, base) for check in _METHODS[type(base)])
    scaled = _larger if hasattr(base, "margin") else None
    touching = isinstance(base, (la.SimOTA, la.DynamicSoftLabel, la.OTA))
    shares = getattr(base, "shared", "") == "overlap"
    tied = {"permuted_objects": partial(definitions.paa_tied, assigner)} if shares else {}
    return Subject(assigner, name, exempt, condition, reason, scaled, touching, tied)


def _colad(criterion, granularity, assigner=None):
    exempt = {}
    if isinstance(criterion, la.Random):
        laws = {"image": ("image_by_image",), "batch": ()}
        by_row = ("image_by_image", "permuted_objects", "far_object", "ignored_region")
        exempt = dict.fromkeys(laws.get(granularity, by_row), _COIN)
    elif not isinstance(criterion, la.Fixed):
        laws = {"batch": ("image_by_image", "far_object"), "image": ("far_object",)}
        exempt = dict.fromkeys(laws.get(granularity, ()), _UNIT.format(granularity))
    name = type(criterion).__name__ + ("" if criterion == type(criterion)() else ".variant")
    wrapped = "" if assigner is None else f".{type(assigner).__name__}"
    return _entry(
        f"CoLAD{wrapped}.{name}.{granularity}", la.CoLAD(assigner or la.PAA(), criterion, granularity), **exempt
    )


MAX_IOU = [
    _entry("MaxIoU", la.MaxIoU()),
    _entry("MaxIoU.rpn", la.MaxIoU.rpn(), permuted_objects=_ZERO, far_object=_ZERO),
    _entry("MaxIoU.rcnn", la.MaxIoU.rcnn()),
    _entry("MaxIoU.retinanet", la.MaxIoU.retinanet(), permuted_objects=_ZERO, far_object=_ZERO),
    _entry("MaxIoU.ssd", la.MaxIoU.ssd(), permuted_objects=_LAST, permuted_priors=_FIRST, far_object=_FIRST),
    _entry("MaxIoU.mmdet_rpn", la.MaxIoU.mmdet_rpn(), permuted_objects=_LAST),
    _entry("MaxIoU.mmdet_rcnn", la.MaxIoU.mmdet_rcnn()),
    _entry("MaxIoU.mmdet_retinanet", la.MaxIoU.mmdet_retinanet(), permuted_objects=_LAST, far_object=_ZERO),
]
ATSS = [
    _entry("ATSS", la.ATSS()),
    _entry("ATSS.mmdet", la.ATSS.mmdet()),
    _entry("ATSS.original", la.ATSS.original()),
]
PAA = [
    _entry("PAA", la.PAA()),
    _entry("PAA.overlap", la.PAA(shared="overlap")),
    _entry("PAA.mmdet", la.PAA.mmdet(), permuted_objects=_LAST, far_object=_ZERO),
    _entry("PAA.original", la.PAA.original(), permuted_objects=_ZERO, far_object=_ZERO),
]
LAD = [
    _entry("LAD", la.LAD(la.PAA())),
    _entry("LAD.overlap", la.LAD(la.PAA(shared="overlap"), targets="student")),
]
CRITERIA = [
    la.StdMean(),
    la.FisherScore(),
    la.FisherScore(fit="paa", aggregate="mean"),
    la.MeanCost(),
    la.Random(),
    la.Fixed(),
]
COLAD = [
    _entry("CoLAD.official", la.CoLAD.official(), permuted_objects=_LAST, far_object=_ZERO),
    *(_colad(criterion, unit) for criterion in CRITERIA for unit in ("batch", "image", "gt", "gt_level")),
]
FCOS = [
    _entry("FCOS", la.FCOS()),
    _entry("FCOS.whole", la.FCOS(center_sampling=False)),
    _entry("FCOS.mmdet", la.FCOS.mmdet(center_sampling=True), scaling=_AREA),
    _entry("FCOS.torchvision", la.FCOS.torchvision(), scaling=_AREA, permuted_objects=_AREA),
]
UNIFORM = [
    _entry("Uniform", la.Uniform(), far_object=_REACH),
    _entry("Uniform.mmdet", la.Uniform.mmdet(), permuted_objects=_LAST, far_object=_REACH),
]
CENTRAL = [
    _entry("TaskAligned", la.TaskAligned()),
    _entry("TaskAligned.tood", la.TaskAligned.tood()),
    _entry("TaskAligned.ultralytics", la.TaskAligned.ultralytics()),
    _entry("TaskAligned.yolo26", la.TaskAligned.yolo26_one2one()),
    _entry("TaskAligned.ppyoloe", la.TaskAligned.ppyoloe()),
    _entry("SimOTA", la.SimOTA()),
    _entry("SimOTA.mmdet", la.SimOTA.mmdet(), far_object=_ANY),
    _entry("SimOTA.yolox", la.SimOTA.yolox(), far_object=_ANY),
    _entry("DynamicSoftLabel", la.DynamicSoftLabel()),
    _entry("DynamicSoftLabel.rtmdet", la.DynamicSoftLabel.rtmdet(), far_object=_ANY),
    _entry("LAD.TaskAligned", la.LAD(la.TaskAligned())),
    _entry("LAD.TaskAligned.one2one", la.LAD(la.TaskAligned(topk=7, topk2=1), targets="student")),
    _entry("LAD.SimOTA", la.LAD(la.SimOTA.mmdet(), targets="student"), far_object=_ANY),
    _colad(la.StdMean(), "batch", la.TaskAligned()),
    _colad(la.FisherScore(), "gt", la.SimOTA()),
    _colad(la.MeanCost(), "gt_level", la.TaskAligned.ultralytics()),
    _colad(la.MeanCost(), "gt", la.TaskAligned.yolo26_one2one()),
    _colad(la.StdMean(), "image", la.DynamicSoftLabel()),
]
_BACK = "all objects of an image share the supply of its background"
_OTA_PAIR = [
    _entry("LAD.OTA", la.LAD(la.OTA())),
    *(_colad(c, g, la.OTA()) for c, g in ((la.StdMean(), "batch"), (la.FisherScore(), "gt"), (la.MeanCost(), "image"))),
]
OTA = [
    _entry("OTA", la.OTA()),
    _entry("OTA.rescale", la.OTA(rescale=True)),
    *(replace(s, condition=partial(transport.places, la.OTA())) for s in _OTA_PAIR),
]
OTA = [replace(s, exempt={**s.exempt, "far_object": _BACK}) for s in OTA]
_SCARCE = "all objects of an image compete for its queries"


def _matcher(name, rule):
    sized = matching.Sized(rule)
    condition, reason, tied = (partial(each, sized) for each in (matching.condition, matching.reason, matching.tied))
    orders = dict.fromkeys(("permuted_objects", "permuted_priors"), tied)
    return Subject(sized, name, {"far_object": _SCARCE}, condition, reason, matching.larger, tied=orders)


def _rotated(name, assigner, condition, priors_too=False):
    inside = turned.Turned(assigner, priors_too)
    return Subject(inside, f"{name}.rotated", condition=partial(condition, inside), scaled=_larger)


ROTATED = [
    _rotated("MaxIoU", la.MaxIoU(), turned.max_iou, priors_too=True),
    _rotated("ATSS", la.ATSS(), turned.atss),
    _rotated("TaskAligned", la.TaskAligned(), turned.aligned, priors_too=True),
    _rotated("TaskAligned.ultralytics_obb", la.TaskAligned.ultralytics_obb(), turned.aligned),
]
HUNGARIAN = [
    _matcher("Hungarian", la.Hungarian()),
    _matcher("Hungarian.dino", la.Hungarian.dino()),
    _matcher("Hungarian.repeats", la.Hungarian("focal", repeats=3)),
]
_QUEUE = "needy objects are served in the order of their rows"
_UNSEEN = "at the beginning a member decides that looks at no prediction"
_ELSE = "an object that finds nothing near takes a free prior from anywhere"


def _rescue(name, assigner, min_positives=1, turn=None, **exempt):
    rescue, checks = la.Rescue(assigner, min_positives), (wrappers.rescue_condition, wrappers.rescue_reason)
    if turn:
        rescue, checks = turned.Turned(rescue, priors_too=turn == "all"), (partial(turned.inside, c) for c in checks)
    condition, reason = (partial(check, rescue) for check in checks)
    return Subject(
        rescue, name, {"permuted_objects": _QUEUE, "far_object": _ELSE, **exempt}, condition, reason, _larger
    )


def _warmup(name, first, then, **exempt):
    warmup = la.Warmup(first, then, 2**30)
    condition, reason = (partial(check, warmup) for check in (wrappers.warmup_condition, wrappers.warmup_reason))
    return Subject(warmup, name, exempt, condition, reason, _larger)


WRAPPERS = [
    _rescue("Rescue", la.ATSS()),
    _rescue("Rescue.MaxIoU", la.MaxIoU(low_quality="off"), 3),
    _rescue("Rescue.LAD", la.LAD(la.TaskAligned(topk2=1), targets="student"), 2),
    _rescue("Rescue.CoLAD", la.CoLAD(la.PAA(), granularity="gt")),
    _rescue("Rescue.FCOS", la.FCOS()),
    _rescue("Rescue.MaxIoU.rotated", la.MaxIoU(low_quality="off"), 3, turn="all"),
    _rescue("Rescue.ATSS.rotated", la.ATSS(), turn="objects"),
    _rescue("Rescue.TaskAligned.rotated", la.TaskAligned(), 2, turn="objects"),
    _warmup("Warmup", la.ATSS(), la.LAD(la.TaskAligned()), finiteness=_UNSEEN),
    _warmup("Warmup.CoLAD", la.PAA(), la.CoLAD(la.PAA(), granularity="gt_level")),
    _rescue("Rescue.Warmup", la.Warmup(la.ATSS(), la.TaskAligned(), 2**30), finiteness=_UNSEEN),
]
SUBJECTS = [*MAX_IOU, *ATSS, *PAA, *LAD, *COLAD, *FCOS, *UNIFORM, *CENTRAL, *OTA, *ROTATED, *HUNGARIAN, *WRAPPERS]

# Tracing is slow: the gate traces every assigner; at home every rule of every class once, with each criterion and each
# granularity of CoLAD at least once.
REPRESENTATIVE = [
    "Hungarian",
    "Hungarian.repeats",
    "MaxIoU",
    "MaxIoU.rpn",
    "MaxIoU.ssd",
    "MaxIoU.mmdet_rcnn",
    "ATSS",
    "ATSS.original",
    "PAA",
    "PAA.overlap",
    "PAA.original",
    "LAD",
    "LAD.overlap",
    "CoLAD.official",
    "CoLAD.FisherScore.variant.gt",
    "CoLAD.MeanCost.image",
    "CoLAD.Random.gt_level",
    "CoLAD.Random.image",
    "CoLAD.Fixed.gt",
    "FCOS",
    "FCOS.torchvision",
    "Uniform",
    "Uniform.mmdet",
    "TaskAligned",
    "TaskAligned.tood",
    "TaskAligned.yolo26",
    "SimOTA",
    "DynamicSoftLabel.rtmdet",
    "LAD.SimOTA",
    "MaxIoU.rotated",
    "ATSS.rotated",
    "TaskAligned.rotated",
    "CoLAD.SimOTA.FisherScore.gt",
    "OTA",
    "CoLAD.OTA.FisherScore.gt",
    "Rescue",
    "Rescue.LAD",
    "Rescue.ATSS.rotated",
    "Warmup",
    "Warmup.CoLAD",
]
TRACED = [s for s in SUBJECTS if os.environ.get("CI") == "true" or s.name in REPRESENTATIVE]


PLAIN = ("MaxIoU", "ATSS", "PAA", "LAD", "FCOS", "Uniform", "Hungarian", "TaskAligned", "SimOTA", "OTA")


def examples(subject):
    """Scenes for a subject: presets run the code of the plain class, the kinds of CoLAD that of each other."""
    full = hypothesis.settings().max_examples
    if subject.name in PLAIN:
        return full
    return max(4, full // 10 if subject in (*COLAD, *CENTRAL, *OTA) else full // 2)
