"""The printed report says what was counted."""

import torch

import labelassign as la
from tests.auditing.streams import Image, audited, batch
from tests.scenes import grid, ground_truth

FINE, REJECTED, LOST = la.Reason.FINE, la.Reason.REJECTED, la.Reason.LOST
TREE, ROOF, BROKEN = [0, 0, 20, 20], [0, 0, 64, 100], [9, 9, 0, 0]
STREAM = [
    Image([TREE, TREE, ROOF], [False, False, False], [FINE, LOST, FINE], [0, 0, 2, 2, 2, 2, -1, -2]),
    Image([], [], [], [-1] * 8),
    Image([ROOF, TREE, BROKEN], [False, True, False], [REJECTED, la.Reason.IGNORED, la.Reason.INVALID], [-1] * 8),
]
TEXT = """\
3 images, 5 objects; 3 (60.0%) without a positive

size in pixels  objects     without  positives each  rejected  lost  invalid
< 32                  2   1 (50.0%)            1.00         0     1        0
32-96                 2   1 (50.0%)            2.00         1     0        0
no size               1  1 (100.0%)            0.00         0     0        1

positives  0  1  2  3-4  5-6  7+
objects    3  0  1    1    0   0

level  positive  background  ignored
0             5          10        0
1             0           0        0
2             1           7        1

Without a positive:
image 0, row 1: 20.0 pixels, LOST
image 2, row 0: 80.0 pixels, REJECTED
and 1 that are counted but not listed"""


def test_the_text_of_a_small_audit():
    report = audited(batch(STREAM, padding=2), most=7, keep=2)
    assert str(report) == TEXT
    assert repr(report) == "AuditReport(3 images, 5 objects, 3 without positives)"
    assert repr(report.to("meta")) == "AuditReport(on meta)"


def test_a_long_list_is_cut_and_an_empty_one_is_not_shown():
    lines = str(audited(batch(STREAM * 4))).splitlines()
    assert lines[-1] == "and 7 more in `missing()`"
    assert lines[-2] == "image 5, row 0: 80.0 pixels, REJECTED"
    assert lines[-3] == "image 3, row 1: 20.0 pixels, LOST"
    assert lines[-4] == "image 2, row 2: no size, INVALID"
    full = str(la.audit(la.MaxIoU(), [(grid(), ground_truth((2, 3)))]))
    assert "Without" not in full
    assert full.startswith("2 images, 5 objects; 0 (0.0%) without a positive\n")


def test_nothing_is_text_too():
    assert str(la.Audit().report) == "0 images, 0 objects; 0 without a positive"
    assert repr(la.Audit()) == "Audit(AuditReport(0 images, 0 objects, 0 without positives))"


def test_every_count_of_positives_has_one_column():
    for most in range(1, 40):
        histogram = torch.ones(4, most + 1, dtype=torch.int64)
        report = la.Audit(most=most).report
        shown = str(la.AuditReport(**{**report._fields(), "histogram": histogram})).splitlines()
        names, counts = (line.split()[1:] for line in shown if line.startswith(("positives", "objects")))
        spans = [[int(end) for end in name.rstrip("+").split("-")] for name in names]
        assert [n for span in spans for n in range(span[0], span[-1] + 1)] == list(range(most + 1))
        assert [int(count) for count in counts] == [4 * (span[-1] - span[0] + 1) for span in spans]
