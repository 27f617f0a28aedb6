"""OTA against the plan of its paper over all priors, with the background as a row, on scenes like COCO's."""

import numpy as np
import pytest

import labelassign as la
from labelassign.testing import Scene
from tests.laws import transport
from tests.laws.overlaps import images
from tests.parity import scenes


def dense(assigner, priors, gt, p, iterations):
    """The owners by a plan over all priors of the one image, as the paper has it."""
    ((_, image),) = images(Scene(priors, gt, p, p))
    scene, labels = Scene(priors, gt, p, p), gt.labels.numpy()
    allowed = transport.near(assigner, scene, image)
    cost, overlap, back = transport.costs(assigner, p, 0, image.objects, labels)
    supply = np.maximum(1, -np.sort(-overlap * allowed, 1)[:, : assigner.topk].sum(1).astype(int))
    log = np.append(-(cost + 1e6 * ~allowed), -back[None], 0) / assigner.eps
    wanted, price = np.log(np.append(supply, priors.count - supply.sum())), 0.0
    for _ in range(iterations):
        rows = wanted - np.logaddexp.reduce(log + price, 1)
        price = -np.logaddexp.reduce(log + rows[:, None], 0)
    share = np.exp(log + rows[:, None] + price)
    share /= share.max(1, keepdims=True) if assigner.rescale else 1
    owner = np.append(np.arange(len(supply)), -1)[share.argmax(0)]
    # an object that may have no prior takes one somewhere
    return np.where((owner >= 0) & ~allowed[owner, np.arange(priors.count)], -1, owner), supply * allowed.any(1)


@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize(("count", "seed"), [(7, 0), (23, 1)])
def test_lists_of_pairs_give_what_the_paper_s_plan_over_all_priors_gives(count, seed, rescale):
    priors, gt = scenes.priors(), scenes.pack([scenes.scene(count, seed)])
    p = scenes.predictions([scenes.output(count, seed)])
    rule = la.OTA(rescale=rescale)
    a = rule(priors, gt, p)
    owner, supply = dense(rule, priors, gt, p, rule.iterations)
    assert (a.gt_index[0].numpy() != owner).sum() <= rescale  # contested, where no 50 iterations settle it
    assert a.diagnostics["supply"].tolist() == supply.tolist()
    assert a.positive.sum() > 7 * count
