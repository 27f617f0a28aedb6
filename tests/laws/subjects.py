"""Every assigner of the package, once: the laws, the compiled tests and the synchronisation guard take them from here.

An entry says what the assigner is exempt from and why; tests/laws/test_exemptions.py holds a counterexample of each.
"""

import os
from dataclasses import replace
from functools import partial

import hypothesis

import labelassign as la
from labelassign.testing import Subject
from tests.laws import central, definitions, matching, points

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
}


def _larger(assigner, factor):
    if isinstance(assigner, (la.LAD, la.CoLAD)):
        return replace(assigner, assigner=_larger(assigner.assigner, factor))
    pixels = {name: getattr(assigner, name) * factor for name in ("margin", "floor") if hasattr(assigner, name)}
    return replace(assigner, **pixels)


def _entry(name, assigner, **exempt):
    base = definitions.inner(assigner)
    condition, reason = (partial(check, base) for check in _METHODS[type(base)])
    scaled = _larger if hasattr(base, "margin") else None
    touching = isinstance(base, (la.SimOTA, la.DynamicSoftLabel))
    return Subject(assigner, name, exempt, condition, reason, scaled, touching)


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
    _entry("SimOTA", la.SimOTA()),
    _entry("SimOTA.mmdet", la.SimOTA.mmdet(), far_object=_ANY),
    _entry("SimOTA.yolox", la.SimOTA.yolox(), far_object=_ANY),
    _entry("DynamicSoftLabel", la.DynamicSoftLabel()),
    _entry("DynamicSoftLabel.rtmdet", la.DynamicSoftLabel.rtmdet(), far_object=_ANY),
    _entry("LAD.TaskAligned", la.LAD(la.TaskAligned())),
    _entry("LAD.SimOTA", la.LAD(la.SimOTA.mmdet(), targets="student"), far_object=_ANY),
    _colad(la.StdMean(), "batch", la.TaskAligned()),
    _colad(la.FisherScore(), "gt", la.SimOTA()),
    _colad(la.MeanCost(), "gt_level", la.TaskAligned.ultralytics()),
    _colad(la.StdMean(), "image", la.DynamicSoftLabel()),
]
_SCARCE = "all objects of an image compete for its queries"


def _matcher(name, rule):
    sized = matching.Sized(rule)
    condition, reason = (partial(check, sized) for check in (matching.condition, matching.reason))
    return Subject(sized, name, {"far_object": _SCARCE}, condition, reason, matching.larger)


HUNGARIAN = [
    _matcher("Hungarian", la.Hungarian()),
    _matcher("Hungarian.dino", la.Hungarian.dino()),
    _matcher("Hungarian.repeats", la.Hungarian("focal", repeats=3)),
]
SUBJECTS = [*MAX_IOU, *ATSS, *PAA, *LAD, *COLAD, *FCOS, *UNIFORM, *CENTRAL, *HUNGARIAN]

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
    "SimOTA",
    "DynamicSoftLabel.rtmdet",
    "LAD.SimOTA",
    "CoLAD.SimOTA.FisherScore.gt",
]
TRACED = [s for s in SUBJECTS if os.environ.get("CI") == "true" or s.name in REPRESENTATIVE]


PLAIN = ("MaxIoU", "ATSS", "PAA", "LAD", "FCOS", "Uniform", "Hungarian", "TaskAligned", "SimOTA")


def examples(subject):
    """Scenes for a subject: presets run the code of the plain class, the kinds of CoLAD that of each other."""
    full = hypothesis.settings().max_examples
    if subject.name in PLAIN:
        return full
    return max(4, full // 10 if subject in COLAD or subject in CENTRAL else full // 2)
