"""Our assigners in mmdet's configs and encoding."""

import copy
from types import SimpleNamespace

import pytest
import torch

import labelassign as la
from labelassign.adapters import Handle
from labelassign.adapters.mmdet import attach, from_mmdet, to_mmdet
from tests.adapters.mmdet_models import (
    HEADS,
    batch,
    config_of,
    losses,
    mmdet_model,
    prepare_tood,
    registry,
    train,
    values,
)
from tests.adapters.networks import SIZE
from tests.parity import mmdet_stub

NAMED = {
    "RetinaHead": {"type": "labelassign.MaxIoU", "preset": "mmdet_retinanet"},
    "ATSSHead": {"type": "labelassign.ATSS", "preset": "mmdet", "topk": 9},
    "TOODHead": {"type": "labelassign.TaskAligned", "preset": "tood"},
    "RTMDetHead": {"type": "labelassign.DynamicSoftLabel", "preset": "rtmdet"},
}
pytestmark = pytest.mark.filterwarnings("ignore:torch.meshgrid")


@pytest.fixture(autouse=True)
def _tood(monkeypatch):
    prepare_tood(4, monkeypatch)


@pytest.mark.parametrize("kind", NAMED)
def test_a_config_names_the_assigner(kind):
    from labelassign.adapters.mmdet import registry as ours

    config = HEADS[kind]["train_cfg"] | {"assigner": NAMED[kind]}
    stock, other = mmdet_model(kind), mmdet_model(kind, train_cfg=config)
    head = other.bbox_head
    assert isinstance(getattr(head, "alignment_assigner", head.assigner), ours.Registered)
    given = batch(ignored=True, sizes=[SIZE, (64, 96)])
    assert train(other, 3, given=given) == pytest.approx(train(stock, 3, given=given), abs=1e-5)
    assert values(losses(copy.deepcopy(other))) == values(losses(other))


def build(**config):
    from labelassign.adapters.mmdet import registry as ours

    assert ours.NAMES.scope == "labelassign"
    registry()
    return mmdet_stub.module("mmdet.registry").TASK_UTILS.build(config)


def instances(**fields):
    return mmdet_stub.module("mmengine.structures").InstanceData(**fields)


def test_a_named_hungarian_matches_as_mmdet_s():
    g = torch.Generator().manual_seed(2)
    start = torch.rand(20, 2, generator=g) * 60
    said = instances(scores=torch.randn(20, 4, generator=g), bboxes=torch.cat([start, start + 30], 1))
    objects = instances(bboxes=torch.tensor([[5.0, 5, 40, 40], [50, 20, 90, 70]]), labels=torch.tensor([0, 2]))
    meta = {"img_shape": (96, 128)}
    costs = [{"type": "ClassificationCost", "weight": 1.0}, {"type": "BBoxL1Cost", "box_format": "xywh", "weight": 5.0}]
    costs.append({"type": "IoUCost", "iou_mode": "giou", "weight": 2.0})
    want = build(type="HungarianAssigner", match_costs=costs).assign(said, objects, img_meta=meta)
    got = build(type="labelassign.Hungarian", preset="detr").assign(said, gt_instances=objects, img_meta=meta)
    assert got.gt_inds.equal(want.gt_inds)
    assert got.labels.equal(want.labels)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"type": "labelassign.ATSS"}, "a head that tells the sizes of levels"),
        ({"type": "labelassign.SimOTA"}, "a head that passes `scores` and `bboxes`"),
    ],
)
def test_a_head_that_does_not_say_enough(config, message):
    objects = instances(bboxes=torch.tensor([[0.0, 0, 9, 9]]), labels=torch.tensor([0]))
    with pytest.raises(ValueError, match=message):
        build(**config).assign(instances(priors=torch.tensor([[0.0, 0, 8, 8]])), objects)


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(ValueError, match=r"`preset` to be one of \('mmdet', 'original'\), got 'coco'"):
        build(type="labelassign.ATSS", preset="coco")


def test_the_encoding_goes_both_ways():
    gt = la.GroundTruth.from_list([{"boxes": [[0, 0, 9, 9]], "labels": [1]}, {"boxes": [[0, 0, 9, 9]], "labels": [0]}])
    priors = la.Priors.from_boxes([[0, 0, 9, 9], [0, 0, 9, 6], [0, 0, 9, 4.2], [20, 20, 29, 29]])
    a = la.MaxIoU(0.7, 0.5, low_quality="off")(priors, gt)
    results = to_mmdet(a, gt)
    assert [each.gt_inds.tolist() for each in results] == [[1, -1, 0, 0]] * 2
    assert [each.labels.tolist() for each in results] == [[1, -1, -1, -1], [0, -1, -1, -1]]
    assert [each.num_gts for each in results] == [1, 1]
    back = from_mmdet(results, gt)
    for name in ("gt_index", "quality", "cls_target", "cls_weight", "loc_weight"):
        assert getattr(back, name).equal(getattr(a, name))
    for each in results:
        each._extra_properties.clear()
    assert from_mmdet(results, gt).gt_index.equal(a.gt_index)


def one_batch(_):
    pixels, samples = batch()
    return {"inputs": pixels, "data_samples": samples}


def run(folder, hook, steps, **options):
    """Train with mmengine's own runner."""
    registry()
    model = mmdet_model("PAAHead")
    runner = mmdet_stub.module("mmengine.runner").Runner(
        model,
        str(folder),
        train_dataloader=torch.utils.data.DataLoader([0], collate_fn=one_batch),
        train_cfg={"by_epoch": False, "max_iters": steps},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.0}},
        custom_hooks=[hook],
        default_hooks={"checkpoint": {"type": "CheckpointHook", "interval": 2, "by_epoch": False}},
        experiment_name=f"{folder.name}_{steps}",
        log_level="ERROR",
        default_scope="mmdet",
        **options,
    )
    runner.train()
    return runner


def logged(runner, name):
    return list(runner.message_hub.get_scalar(f"train/{name}").data[0])


@pytest.mark.filterwarnings("ignore")  # of mmengine's runner
def test_a_config_attaches_and_logs_and_a_resumed_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # mmengine's checkpoints hold more than weights
    from labelassign.adapters.mmdet import hook as ours

    assert ours.NAMES.scope == "labelassign"
    parts = {"first": {"type": "ATSS"}, "then": {"type": "PAA", "preset": "mmdet"}}
    hook = {"type": "labelassign.Attach", "assigner": {"type": "Warmup", "steps": 3, **parts}, "interval": 1}
    whole = run(tmp_path, hook, 4)
    counts = logged(whole, "assignment_positives")
    assert len(counts) == 4
    assert counts[0] == counts[1] == counts[2] != counts[3]
    assert Handle.of(whole.model) is None
    again = run(tmp_path, hook, 4, resume=True, load_from=str(tmp_path / "iter_2.pth"))
    assert logged(again, "assignment_positives")[-2:] == counts[2:]


def test_a_hook_does_not_train_a_second_network():
    from labelassign.adapters.mmdet import hook as ours

    with pytest.raises(ValueError, match="an assigner whose teacher does not train, got CoLAD"):
        ours.Attach({"type": "CoLAD", "assigner": {"type": "PAA"}})


@pytest.mark.filterwarnings("ignore")  # of PAAHead, which asks itself for a property that it has renamed
def test_a_hook_builds_the_teacher_from_its_config(tmp_path):
    from labelassign.adapters.mmdet import hook as ours

    model, teacher = mmdet_model("PAAHead"), mmdet_model("PAAHead", seed=7)
    torch.save({"state_dict": teacher.state_dict()}, tmp_path / "teacher.pth")
    options = {"teacher": config_of("PAAHead"), "checkpoint": str(tmp_path / "teacher.pth")}
    hook = ours.Attach({"type": "LAD", "assigner": {"type": "PAA"}}, box_weight="none", **options)
    hook.before_train(SimpleNamespace(model=model, iter=5))
    got, index = values(losses(model)), hook.handle.last.gt_index
    assert hook.handle.step == 6
    hook.after_train(None)
    with attach(model, la.LAD(la.PAA()), teacher=teacher, box_weight="none") as handle:
        assert values(losses(model)) == got
    assert handle.last.gt_index.equal(index)
