"""An audit counts what a loop over everything counts, however the images come."""

import itertools
import json
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import labelassign as la
from labelassign.testing import scenes
from tests.auditing.streams import Image, audited, batch, images, slow
from tests.scenes import grid, ground_truth, predictions

OPTIONS = st.fixed_dictionaries(
    {
        "sizes": st.sampled_from([(32.0, 96.0), (32.0,), (8.0, 31.875, 1e9)]),
        "most": st.sampled_from([1, 3, 32]),
        "keep": st.sampled_from([0, 1, 4, 1000]),
    }
)
LISTS = ("missing", "keep")
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")


@given(images(), OPTIONS, st.integers(0, 3))
def test_counts_equal_a_slow_loop(stream, options, padding):
    assert audited(batch(stream, padding), **options).to_dict() == slow(stream, **options)


@given(images(), OPTIONS, st.lists(st.integers(0, 6), max_size=4), st.integers(0, 4))
def test_any_split_into_batches_and_audits_is_the_whole(stream, options, cuts, middle):
    ends = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    parts = [batch(stream[low:high], padding=high % 2) for low, high in itertools.pairwise(ends)]
    whole = audited(batch(stream), **options).to_dict()
    assert audited(*parts, **options).to_dict() == whole
    left, right = (audited(*some, **options) for some in (parts[:middle], parts[middle:]))
    assert (left + right).to_dict() == whole
    assert sum(audited(part, **options) for part in parts).to_dict() == whole


@given(images(), OPTIONS, st.randoms(use_true_random=False))
def test_the_order_of_batches_changes_no_count(stream, options, drawn):
    def counts(images):
        found = audited(*(batch([image]) for image in images), **options)
        fields = {k: v for k, v in found.to_dict().items() if k not in LISTS and images}
        return fields, len(found.missing()), found.left_out, sorted(map(repr, (m[1:] for m in found.missing())))

    fields, listed, left_out, names = counts(stream)
    others = counts(drawn.sample(stream, len(stream)))
    assert others[:3] == (fields, listed, left_out)
    if not left_out:
        assert others[3] == names


@given(images(), OPTIONS)
def test_a_report_survives_the_way_to_other_processes_and_files(stream, options):
    report = audited(batch(stream), **options)
    fields = report.to_dict()
    for copy in (la.AuditReport.from_dict(json.loads(json.dumps(fields))), pickle.loads(pickle.dumps(report))):
        assert copy.to_dict() == fields
        assert (copy + report).images == 2 * len(stream)
    assert "NaN" not in json.dumps(fields)


def test_a_report_is_saved_and_loaded(tmp_path):
    report = la.audit(la.ATSS(), [(grid(), ground_truth())])
    report.save(tmp_path / "audit.safetensors")
    assert la.AuditReport.load(tmp_path / "audit.safetensors").to_dict() == report.to_dict()


@given(scenes())
def test_a_report_tells_what_the_assignment_tells(scene):
    for assigner in (la.MaxIoU(), la.ATSS(), la.PAA()):
        a = scene.assign(assigner)
        report = audited((a, scene.gt, scene.priors), sizes=(16, 64))
        real = scene.gt.in_use & ~scene.gt.ignore
        assert report.images == scene.gt.num_images
        assert report.objects.sum() == report.histogram.sum() == real.sum()
        assert report.without.sum() == (real & (a.per_gt_count == 0)).sum() == len(report.missing())
        assert report.without[:, [la.Reason.FINE, la.Reason.RESCUED]].sum() == 0
        roles = [view.sum().item() for view in (a.positive, a.background, a.ignored)]
        assert report.priors.sum(0).tolist() == roles
        assert torch.equal(report.positives.sum(1), report.priors[:, 0])
        rows = [row for row in range(scene.gt.num_rows) if real[row] and a.per_gt_count[row] == 0]
        named = [int(a.offsets[each.image]) + each.row for each in report.missing()]
        assert named == rows
        assert [each.reason for each in report.missing()] == [la.Reason(code) for code in a.reason[rows].tolist()]


def test_no_batch_is_the_neutral_report():
    report, nothing = la.audit(la.ATSS(), [(grid(), ground_truth())]), la.audit(la.ATSS(), [])
    assert nothing.to_dict() == la.Audit().report.to_dict() == (nothing + nothing).to_dict()
    assert (nothing + report).to_dict() == (report + nothing).to_dict() == report.to_dict()
    assert la.AuditReport.from_dict(nothing.to_dict()).to_dict() == nothing.to_dict()


def test_a_report_does_not_change_when_more_is_added():
    audit = la.Audit()
    audit.add(*batch([Image([[0, 0, 9, 9]], [False], [2], [-1] * 8)]))
    first, fields = audit.report, audit.report.to_dict()
    audit.add(*batch([Image([[0, 0, 9, 9]], [False], [3], [-1] * 8)]))
    assert first.to_dict() == fields
    assert [(m.image, m.reason.name) for m in audit.report.missing()] == [(0, "REJECTED"), (1, "LOST")]


def test_an_audit_passes_on_what_the_assigner_needs():
    priors, gt = grid(), ground_truth()
    mine, theirs = predictions(priors), predictions(priors, seed=5)
    seen = []

    def assigner(*records, teacher, step):
        seen.append((*records, teacher, step))
        return la.ATSS()(*records[:2])

    la.audit(assigner, [(priors, gt), (priors, gt, mine), (priors, gt, mine, theirs)], step=7)
    want = [(priors, gt, None, None, 7), (priors, gt, mine, None, 7), (priors, gt, mine, theirs, 7)]
    assert all(a is b for got, wanted in zip(seen, want, strict=True) for a, b in zip(got, wanted, strict=True))
    report = la.audit(la.LAD(la.PAA()), iter([(priors, gt, mine, theirs)] * 2))
    assert report.images == 6
    with pytest.raises(ValueError, match="predictions"):
        la.audit(la.PAA(), [(priors, gt)])


def test_the_size_of_a_rotated_box_is_that_of_its_sides():
    gt = la.GroundTruth.from_list([{"boxes": [[60, 60, 16, 64, 0.7]], "labels": [0]}])
    report = audited((la.MaxIoU()(grid(), gt), gt, grid()))
    assert report.objects.sum(1).tolist() == [0, 1, 0, 0]


def test_the_function_keeps_its_name_beside_the_room():
    import labelassign.auditing.audit

    assert callable(la.audit)
    assert la.audit is labelassign.auditing.audit
