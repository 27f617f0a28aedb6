"""CoLAD.official against an independent loop, and on the batches at which the released code stops with an error."""

import numpy as np
import pytest
import torch

import labelassign as la
from tests.parity import colad_loop
from tests.parity.scenes import Scene, assert_same, image_rows, output, pack, predictions, priors, scene, scenes

OFFICIAL = la.CoLAD.official()
COUNTS = (1, 7, 63)


def both(counts, seed):
    """Two networks' outputs for the same images."""
    return [[output(count, seed, network) for count in counts] for network in (0, 1)]


def test_no_prior_differs():
    sizes, decided = [], []
    for seed in (0, 1):
        students, teachers = both(COUNTS, seed)
        gt = pack(scenes(seed, COUNTS))
        answer = OFFICIAL(priors(), gt, predictions(students), teacher=predictions(teachers))
        chosen = answer.diagnostics["teacher_chosen"]
        for i, count in enumerate(COUNTS):
            expected, trace = colad_loop.assign(scene(count, seed), students[i], teachers[i])
            assert_same(image_rows(answer)[i], expected, f"seed {seed}, {count} objects")
            theirs = torch.zeros_like(chosen[gt.offsets[i] : gt.offsets[i + 1]])
            for group, teacher in trace.teacher.items():
                theirs[group] = teacher
            assert torch.equal(chosen[gt.offsets[i] : gt.offsets[i + 1]], theirs), f"seed {seed}, {count} objects"
            sizes += trace.sizes
            decided += trace.teacher.values()
    assert 1 in sizes, "no group of one candidate: a rule stayed untried"
    assert 0.1 < np.mean(decided) < 0.9, "one network decides nearly everything: a rule stayed untried"


def test_the_logged_statistics_of_one_image():
    students, teachers = both((63,), 0)
    answer = OFFICIAL(priors(), pack([scene(63, 0)]), predictions(students), teacher=predictions(teachers))
    _, trace = colad_loop.assign(scene(63, 0), students[0], teachers[0])
    assert 1 in trace.sizes, "no group of one candidate, which counts for the means only"
    expected = {
        **dict(zip(("student_mean", "teacher_mean"), np.mean(trace.means, 0), strict=True)),
        **dict(zip(("student_std", "teacher_std"), np.mean(trace.deviations, 0), strict=True)),
        "teacher_share": np.mean(list(trace.teacher.values())),
    }
    found = {name: float(answer.diagnostics[name]) for name in expected}
    assert found == pytest.approx(expected, rel=1e-5)


def test_two_equal_networks_leave_every_group_of_several_to_the_teacher():
    here, network = pack([scene(23, 0)]), predictions([output(23, 0)])
    answer = OFFICIAL(priors(), here, network, teacher=network)
    _, trace = colad_loop.assign(scene(23, 0), output(23, 0), output(23, 0))
    found = {(int(row), int(level)) for row, level in answer.diagnostics["teacher_chosen"].nonzero()}
    assert found == {group for group, size in zip(trace.teacher, trace.sizes, strict=True) if size > 1}


@pytest.mark.parametrize("counts", [(0,), (0, 0), (0, 7), (7, 0, 23)], ids=str)
def test_images_without_candidates(counts):
    """The released code returns too short a tuple for such an image and stops; ours has background there."""
    students, teachers = both(counts, 1)
    answer = OFFICIAL(priors(), pack(scenes(1, counts)), predictions(students), teacher=predictions(teachers))
    assert all(bool(value.isfinite().all()) for value in answer.diagnostics.values())
    for i, count in enumerate(counts):
        expected, _ = colad_loop.assign(scene(count, 1), students[i], teachers[i])
        assert_same(image_rows(answer)[i], expected, f"{count} objects")


def test_a_batch_of_single_candidates():
    """The released code stacks an empty list of deviations and stops; a lone candidate has none."""
    grid = la.Priors.from_boxes([[0.0, 0, 32, 32], [500, 500, 532, 532]], level_sizes=(1, 1))
    gt = pack([Scene(torch.tensor([[2.0, 2, 30, 30]]), torch.tensor([0]))])
    logits = torch.tensor([[[1.0], [1.0]]])
    mine = la.Predictions(torch.tensor([[[2.0, 2, 30, 30], [500, 500, 532, 532]]]), logits)
    other = la.Predictions(mine.boxes + 3, logits)
    for teacher, teacher_is_cheaper in ((other, False), (mine, False)):
        answer = OFFICIAL(grid, gt, mine, teacher=teacher)
        assert answer.gt_index.tolist() == [[-1, -1]]
        assert bool(answer.diagnostics["teacher_chosen"].any()) == teacher_is_cheaper
    assert OFFICIAL(grid, gt, other, teacher=mine).diagnostics["teacher_chosen"].tolist() == [[True, False]]
