"""GroundTruth: one record, whichever way it was made."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch

import labelassign as la

IMAGES = [
    {"boxes": [[1.0, 2, 5, 6], [0, 0, 3, 9]], "labels": [4, 0], "iscrowd": [0, 1], "image_size": [48, 64]},
    {"boxes": [], "labels": [], "image_size": [50, 60]},
    {"boxes": [[7.0, 8, 9, 10]], "labels": [2], "image_size": [32, 32]},
]


def same(a, b):
    left, right = a.numpy(), b.numpy()
    assert left.keys() == right.keys()
    for name, value in left.items():
        np.testing.assert_array_equal(value, right[name], err_msg=name)


def test_rows_are_packed_image_by_image():
    gt = la.GroundTruth.from_list(IMAGES)
    assert gt.offsets.tolist() == [0, 2, 2, 3]
    assert gt.labels.tolist() == [4, 0, 2]
    assert gt.ignore.tolist() == [False, True, False]
    assert gt.image_sizes.tolist() == [[48, 64], [50, 60], [32, 32]]
    assert gt.image_of.tolist() == [0, 0, 2]
    assert (gt.num_images, gt.num_rows) == (3, 3)


def test_lists_padded_arrays_and_coco_files_agree():
    gt = la.GroundTruth.from_list([{k: v for k, v in i.items() if k != "image_size"} for i in IMAGES])
    boxes, labels = torch.full((3, 4, 4), 99.0), torch.zeros(3, 4)
    boxes[0, :2], boxes[2, :1] = torch.tensor(IMAGES[0]["boxes"]), torch.tensor(IMAGES[2]["boxes"])
    labels[0, :2], labels[2, :1] = torch.tensor([4, 0]), torch.tensor([2])
    plain = la.GroundTruth(gt.boxes, gt.labels, gt.offsets, torch.zeros_like(gt.ignore))
    same(la.GroundTruth.from_padded(boxes, labels, [2, 0, 1]), plain)
    mask = torch.arange(4) < torch.tensor([2, 0, 1])[:, None]
    same(la.GroundTruth.from_padded(boxes, labels[..., None], mask[..., None]), plain)

    ids = {0: 10, 1: 20, 2: 30}
    annotations = [
        {"image_id": ids[i], "bbox": [x, y, z - x, w - y], "category_id": 100 + c, "iscrowd": crowd}
        for i, image in reversed(list(enumerate(IMAGES)))
        for (x, y, z, w), c, crowd in zip(image["boxes"], image["labels"], image.get("iscrowd", [0]), strict=False)
    ]
    sizes = {i: image["image_size"] for i, image in enumerate(IMAGES)}
    coco = {
        "images": [{"id": ids[i], "height": h, "width": w} for i, (h, w) in sizes.items()],
        "annotations": annotations,
        "categories": [{"id": 100 + c} for c in (4, 1, 0, 3, 2)],
    }
    same(la.GroundTruth.from_coco(coco), la.GroundTruth.from_list(IMAGES))
    same(la.GroundTruth.from_coco(coco, [30]), la.GroundTruth.from_list(IMAGES[2:]))


def test_to_list_is_read_back():
    gt = la.GroundTruth.from_list(IMAGES)
    same(la.GroundTruth.from_list(gt.to_list()), gt)


def test_padding_rows_are_not_in_use():
    gt = la.GroundTruth.from_list(IMAGES).pad_to(7)
    assert gt.in_use.tolist() == [True] * 3 + [False] * 4
    assert gt.image_of.tolist() == [0, 0, 2, 2, 2, 2, 2]
    with pytest.raises(ValueError, match=r"pad_to: expected total >= 7, got 3\. Choose a larger bucket\."):
        gt.pad_to(3)


@pytest.mark.parametrize("array", [np.asarray, jnp.asarray, torch.tensor], ids=["numpy", "jax", "torch"])
def test_arrays_of_any_library(array):
    boxes = array(np.array([[1, 2, 5, 6], [0, 0, 3, 9]], dtype=np.float32))
    labels = array(np.array([4, 0], dtype=np.int32))
    gt = la.GroundTruth.from_list([{"boxes": boxes, "labels": labels}])
    assert gt.boxes.tolist() == [[1, 2, 5, 6], [0, 0, 3, 9]]
    assert gt.labels.tolist() == [4, 0]


def test_priors_share_the_memory_of_numpy_and_take_read_only_arrays():
    array = np.array([[0, 0, 8, 8]], dtype=np.float32)
    shared = la.Priors.from_boxes(array)
    array[0, 2] = 5
    assert shared.boxes[0, 2] == 5
    array.setflags(write=False)
    copied = la.Priors.from_boxes(array)
    copied.boxes[0, 0] = 3
    assert array[0, 0] == 0


BAD = [
    ([[0, 0, np.nan, 5]], [0], r"box \[0.0, 0.0, nan, 5.0\] with label 0 in image 1, row 0"),
    ([[1, 1, 2, 2], [6, 0, 5, 5]], [0, 1], r"box \[6.0, 0.0, 5.0, 5.0\] with label 1 in image 1, row 1"),
    ([[1, 1, 2, 2], [0, 0, 5, 5]], [9, -1], r"label 9 in image 1, row 0 \(and 1 more\)"),
]


@pytest.mark.parametrize(("boxes", "labels", "message"), BAD)
def test_bad_rows_are_refused_by_name(boxes, labels, message):
    images = [IMAGES[2], {"boxes": boxes, "labels": labels}]
    with pytest.raises(ValueError, match=message) as caught:
        la.GroundTruth.from_list(images, num_classes=5)
    assert "GroundTruth.from_list: expected finite boxes" in str(caught.value)
    assert "labels 0..4" in str(caught.value)


def test_bad_rows_can_be_dropped_or_ignored():
    images = [{"boxes": [[6, 0, 5, 5], [1, 1, 2, 2]], "labels": [0, 1]}, {"boxes": [[0, 0, 9, 9]], "labels": [7]}]
    dropped = la.GroundTruth.from_list(images, num_classes=5, on_bad_box="drop")
    assert dropped.offsets.tolist() == [0, 1, 1]
    assert dropped.labels.tolist() == [1]
    ignored = la.GroundTruth.from_list(images, num_classes=5, on_bad_box="ignore")
    assert ignored.ignore.tolist() == [True, False, True]
    priors = la.Priors.grid(image_size=(16, 16), strides=(8,), scale=1, offset=0.5)
    a = la.MaxIoU(0.1, 0.05)(priors, ignored)
    assert a.reasons == ["IGNORED", "RESCUED", "IGNORED"]


def test_zero_area_is_no_error():
    gt = la.GroundTruth.from_list([{"boxes": [[3, 3, 3, 9]], "labels": [0]}])
    assert gt.well_formed().tolist() == [True]
