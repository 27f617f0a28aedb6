"""The figure of an assignment holds what the records say: every artist is counted, placed or read."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex

import labelassign as la
from labelassign import draw
from labelassign.draw import style
from labelassign.draw.dots import WHY
from tests.draw.figures import IMAGE, PRIORS, boxes, dots, red, scene


@pytest.mark.parametrize("image", [0, 1])
def test_a_dot_for_every_positive_prior_at_its_centre(image):
    gt, a = scene()
    figure = draw.assignment(IMAGE, PRIORS, gt, a, image_index=image)
    spots, _ = dots(figure)
    expected = la.geometry.centres(PRIORS.boxes[a.positive[image]]).numpy()
    assert len(spots) == int(a.positive[image].sum()) > 0
    np.testing.assert_array_equal(spots, expected)


def test_dots_have_the_colour_of_their_object():
    gt, a = scene()
    figure = draw.assignment(IMAGE, PRIORS, gt, a)
    _, colours = dots(figure)
    box = {to_hex(b.get_edgecolor()).upper(): b.get_bbox() for b in boxes(figure)[:2]}
    assert len(box) == 2
    assert style.MISSING not in box
    owners = a.gt_index[0][a.positive[0]].tolist()
    for colour, owner in zip(colours, owners, strict=True):
        np.testing.assert_allclose(box[colour].extents, gt.boxes[owner].numpy())


def test_an_object_without_priors_is_red_and_says_why():
    gt, a = scene()
    figure = draw.assignment(IMAGE, PRIORS, gt, a)
    missing = [box for box in boxes(figure) if red(box)]
    assert [tuple(box.get_bbox().extents) for box in missing] == [(101, 50, 104, 53)]
    assert [text.get_text() for text in figure.axes[0].texts] == [WHY[la.Reason.REJECTED]]
    assert "2 of 3 objects served" in figure.axes[0].get_title(loc="left")


@pytest.mark.parametrize("reason", WHY)
def test_every_reason_has_its_words(reason):
    gt, a = scene()
    codes = a.reason.clone()
    codes[2] = reason
    texts = draw.assignment(IMAGE, PRIORS, gt, replace(a, reason=codes)).axes[0].texts
    assert [text.get_text() for text in texts] == [WHY[reason]]


def test_words_exist_for_all_reasons_of_missing_objects():
    served_or_no_object = {la.Reason.FINE, la.Reason.RESCUED, la.Reason.IGNORED, la.Reason.PADDING}
    assert set(WHY) == set(la.Reason) - served_or_no_object
    assert len(set(WHY.values())) == len(WHY)


def test_an_ignored_region_is_dashed_and_not_red():
    gt, a = scene()
    last = boxes(draw.assignment(IMAGE, PRIORS, gt, a))[3]
    assert tuple(last.get_bbox().extents) == (0, 70, 30, 96)
    assert last.get_linestyle() not in ("-", "solid")
    assert not red(last)


def test_an_image_without_objects():
    gt = la.GroundTruth.from_list([{"boxes": [], "labels": []}])
    figure = draw.assignment(IMAGE, PRIORS, gt, la.ATSS()(PRIORS, gt), title="ATSS")
    assert boxes(figure) == []
    assert len(dots(figure)[0]) == 0
    assert figure.axes[0].get_title(loc="left") == "ATSS: 0 positive priors, 0 of 0 objects served"


def test_padding_rows_draw_nothing():
    gt, _ = scene()
    padded = gt.pad_to(9)
    figure = draw.assignment(IMAGE, PRIORS, padded, la.MaxIoU(low_quality="off")(PRIORS, padded), image_index=1)
    assert len(boxes(figure)) == 1


def test_coarser_levels_have_larger_dots():
    gt = la.GroundTruth.from_list([{"boxes": [[8, 8, 32, 32], [40, 20, 90, 70]], "labels": [0, 0]}])
    a = la.ATSS()(PRIORS, gt)
    figure = draw.assignment(IMAGE, PRIORS, gt, a)
    drawn = next(part for part in figure.axes[0].collections if len(part.get_offsets()))
    fine = int(a.positive[0, : PRIORS.level_sizes[0]].sum())
    sizes = drawn.get_sizes()
    assert 0 < fine < len(sizes)
    assert sizes[:fine].max() < sizes[fine:].min()


def test_the_legend_names_the_levels():
    gt, a = scene()
    without = replace(PRIORS, strides=None)
    for priors, names in ((PRIORS, ["stride 8", "stride 16"]), (without, ["level 0", "level 1"])):
        legend = draw.assignment(IMAGE, priors, gt, a).axes[0].get_legend()
        assert [text.get_text() for text in legend.get_texts()] == names
