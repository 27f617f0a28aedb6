"""How many times faster than its peers each method is to be, by number of objects: wanted and predicted, with basis."""

from __future__ import annotations

NOT_PREDICTED = "nobody predicted it"
MAX_IOU = ("MaxIoU, mmdet's rules", "MaxIoU, torchvision's rules")
_Counts = dict[int, tuple[float, float | None]]
# key, what is asked, its methods, per number of objects: wanted and predicted ratio, basis
RATIOS: tuple[tuple[str, str, tuple[str, ...], _Counts, str], ...] = (
    ("paa", "PAA against mmdet", ("PAA",), {20: (100, 65), 100: (150, 90), 400: (250, 98)}, "sketch, one thread"),
    (
        "max_iou",
        "MaxIoU against mmdet and torchvision",
        MAX_IOU,
        {20: (10, 20), 100: (100, 130), 400: (200, 210)},
        "sketch of matching, one thread",
    ),
    (
        "atss",
        "ATSS against mmdet",
        ("ATSS",),
        {20: (20, 56), 100: (100, 163), 400: (200, 445)},
        "as if it were matching",
    ),
    (
        "mixture",
        "mixture per object against scikit-learn",
        ("mixture per object",),
        {20: (600, 615), 100: (800, 1030), 400: (800, 1030)},
        "sketch with AVX-512, against 3 to 5 ms per object",
    ),
    (
        "task_aligned",
        "TaskAligned against mmdet and ultralytics",
        ("TaskAligned, TOOD's rules", "TaskAligned, ultralytics' rules"),
        {20: (10, None), 100: (60, None), 400: (150, None)},
        NOT_PREDICTED,
    ),
    *(
        (key, f"{name} against mmdet", (name,), {20: (100, None), 100: (300, None), 400: (500, None)}, NOT_PREDICTED)
        for key, name in (("sim_ota", "SimOTA"), ("dynamic_soft_label", "DynamicSoftLabel"))
    ),
    (
        "fcos",
        "FCOS against mmdet and torchvision",
        ("FCOS, mmdet's rules", "FCOS, torchvision's rules"),
        {20: (10, None), 100: (10, None), 400: (10, None)},
        NOT_PREDICTED,
    ),
)
