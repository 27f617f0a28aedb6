"""transformers' own detectors, in training."""

import copy
import io

import pytest
import torch
import transformers

import labelassign as la
from labelassign.adapters import Handle, Pair
from labelassign.adapters.transformers import attach, from_transformers, to_transformers
from labelassign.adapters.transformers.criteria import Matcher
from tests.adapters.query_networks import learn, pictures, query_model, run

RULES = {
    "DETR": la.Hungarian.detr(),
    "Deformable DETR": la.Hungarian.deformable_detr(cls_weight=1.0),
    "RT-DETR": la.Hungarian.rt_detr(),
    "RT-DETR v2": la.Hungarian.rt_detr(),
    "D-FINE": la.Hungarian.rt_detr(),
}
LEARNED = ("DETR", "Deformable DETR")  # queries that another network can share
MANY = (la.Hungarian("focal", 2.0, repeats=3), la.Hungarian("focal", 2.0, groups=2))  # queries per object
SHARED = la.Hungarian("focal", 2.0, shared_queries=True)


def values(model):
    return {name: float(each.detach()) for name, each in run(model).loss_dict.items()}


@pytest.mark.parametrize("kind", RULES)
def test_the_stock_rule_gives_the_stock_losses(kind):
    stock, ours = (query_model(kind) for _ in range(2))
    with attach(ours, RULES[kind]) as handle:
        assert learn(ours, 3) == pytest.approx(learn(stock, 3), abs=1e-5)
    assert handle.step == 3
    layers = 2 if kind in LEARNED else 3  # with the encoder's own proposals
    assert handle.stats["positives"] == handle.stats["objects"] == 3 * layers


@pytest.mark.parametrize("focal", [True, False, None], ids=("RT-DETR", "RT-DETR with softmax", "DETR"))
def test_the_classes_cost_what_they_cost_in_the_own_matcher(focal):
    """Costs of classes alone, over logits that differ: sigmoid, softmax over all, softmax with "no object"."""
    weights = {"class_cost": 7, "bbox_cost": 0, "giou_cost": 0}
    more = {f"matcher_{name}": float(value) for name, value in weights.items()} | {"use_focal_loss": focal}
    stock, ours = (query_model("DETR", **weights) if focal is None else query_model("RT-DETR", **more) for _ in "ab")
    for each in (stock, ours):
        g = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for name, part in each.named_parameters():
                if "class" in name or "score_head" in name:
                    part.add_((4 if focal is None else 0.3) * torch.randn(part.shape, generator=g))
                if "query_position" in name:
                    part.mul_(3)
    rule = la.Hungarian("focal" if focal else "probability", 7.0, 0.0, 0.0, ignore_iof=None)
    with attach(ours, rule):
        assert values(ours) == pytest.approx(values(stock), abs=1e-5)


def test_a_model_without_auxiliary_losses_has_one_layer():
    stock, ours = (query_model("DETR", auxiliary_loss=False) for _ in range(2))
    with attach(ours, RULES["DETR"]) as handle:
        assert learn(ours, 3) == pytest.approx(learn(stock, 3), abs=1e-5)
    assert handle.stats["objects"] == 3


def test_other_models_with_these_losses_are_taken():
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    shape = {"image_size": [64, 96], "patch_size": 16, "num_detection_tokens": 9, "num_labels": 3}
    model = transformers.YolosForObjectDetection(transformers.YolosConfig(**sizes, **shape)).eval()
    pixels, targets = pictures()
    stock = model(pixels, labels=targets).loss
    with attach(model, la.Hungarian.detr()):
        torch.testing.assert_close(model(pixels, labels=targets).loss, stock, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("kind", "way"), [*((kind, 0) for kind in RULES), ("DETR", 1), ("RT-DETR", 1)])
def test_several_queries_per_object_train(kind, way):
    model, assigner = query_model(kind), MANY[way]
    with attach(model, assigner) as handle:
        found = learn(model, 20)
    assert torch.tensor(found).isfinite().all()
    assert sum(found[-3:]) < sum(found[:3])
    assert handle.stats["positives_per_object"] == assigner.repeats * assigner.groups
    assert handle.stats["objects_without"] == 0


@pytest.mark.parametrize("kind", LEARNED)
def test_a_teacher_decides_and_only_looks(kind):
    model, teacher = query_model(kind), query_model(kind, seed=7)
    learn(teacher, 5)
    teacher.zero_grad()
    before = copy.deepcopy(teacher.state_dict())
    own = set(vars(teacher))
    # what it decides is what the matching decides for the teacher in eval mode, on the same pixels
    decided = {}
    for name, network in (("model", model), ("teacher", teacher)):
        with attach(network.eval(), SHARED) as alone, torch.no_grad():
            run(network)
        decided[name] = alone.last.gt_index
        network.train()
    assert not decided["model"].equal(decided["teacher"])
    with attach(model, la.LAD(SHARED), teacher=teacher) as handle:
        found = learn(model, 20)
        assert handle.last.gt_index.equal(decided["teacher"])
    assert sum(found[-3:]) < sum(found[:3])
    assert all(before[name].equal(value) for name, value in teacher.state_dict().items())
    assert all(each.grad is None for each in teacher.parameters())
    assert all(part.training for part in teacher.modules())
    assert set(vars(teacher)) == own


@pytest.mark.parametrize("kind", LEARNED)
def test_both_networks_of_colad_train(kind):
    model, other = query_model(kind), query_model(kind, seed=7)
    both, stock = Pair(model, other), query_model(kind, seed=7)
    with attach(model, la.CoLAD(SHARED, la.FisherScore()), teacher=other) as handle:
        first = run(both)
        found = learn(both, 20)
        stats = handle.stats
    parts = {name for name in first.loss_dict if name.startswith("teacher_")}
    assert parts == {f"teacher_{name}" for name in run(stock).loss_dict}
    weights = {"loss_ce": 1, "loss_bbox": 5, "loss_giou": 2, "cardinality_error": 0}
    whole = sum(v * weights[n.removeprefix("teacher_").removesuffix("_0")] for n, v in first.loss_dict.items())
    torch.testing.assert_close(first.loss, whole)
    assert sum(found[-3:]) < sum(found[:3])
    for network in (model, other):
        assert any(each.grad is not None and each.grad.abs().sum() > 0 for each in network.parameters())
    assert {"student_rho", "teacher_rho", "teacher_share"} < set(stats)


@pytest.mark.parametrize("kind", RULES)
def test_detach_puts_everything_back(kind):
    model = query_model(kind).train()
    names, stock = {name: set(vars(part)) for name, part in model.named_modules()}, values(model)
    teacher = query_model(kind, seed=7) if kind in LEARNED else None
    handle = attach(model, MANY[0] if teacher is None else la.LAD(SHARED), teacher=teacher)
    assert values(model) != stock
    handle.detach()
    handle.detach()
    assert {name: set(vars(part)) for name, part in model.named_modules()} == names
    assert not model._forward_pre_hooks
    assert not model._forward_hooks
    assert values(model) == stock


def test_a_loss_function_of_the_user_comes_back():
    model = query_model("DETR")
    stock = values(model)
    theirs = model.loss_function
    model.loss_function = theirs
    attach(model, MANY[0]).detach()
    assert model.loss_function is theirs
    assert values(model) == stock


@pytest.mark.parametrize("kind", RULES)
def test_copies_keep_the_assigner_and_the_state_dict_knows_nothing(kind):
    model = query_model(kind).train()
    keys = list(model.state_dict())
    teacher = query_model(kind, seed=7) if kind in LEARNED else None
    handle = attach(model, MANY[0] if teacher is None else la.LAD(SHARED), teacher=teacher)
    want = values(model)
    assert list(model.state_dict()) == keys
    twin = copy.deepcopy(model)
    assert Handle.of(twin) is not handle
    assert Handle.of(twin).model is twin
    assert Handle.of(twin).teacher is handle.teacher
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    for again in (twin, torch.load(file, weights_only=False)):
        assert values(again) == want
        Handle.of(again).detach()
        assert Handle.of(again) is None
        assert values(again) != want
    assert values(model) == want


def test_what_the_teacher_was_shown_is_forgotten():
    model, teacher = query_model("DETR"), query_model("DETR", seed=7)
    attach(model, la.LAD(SHARED), teacher=teacher)
    pixels, targets = pictures()
    for options in ({}, {"labels": targets}):
        model(pixels, **options)
        assert model.loss_function.inputs is None
    with pytest.raises(ValueError, match="Call the model, not its `forward`"):
        model.forward(pixels, labels=targets)


def test_the_encoding_goes_both_ways():
    gt = la.GroundTruth.from_list([{"boxes": [[0, 0, 9, 9]] * 2, "labels": [1, 2]}, {"boxes": [], "labels": []}])
    pairs = [(torch.tensor([3, 0]), torch.tensor([0, 1])), (torch.tensor([]).long(), torch.tensor([]).long())]
    a = from_transformers(pairs, gt, 4)
    assert a.gt_index.tolist() == [[1, -1, -1, 0], [-1] * 4]
    assert [[side.tolist() for side in each] for each in to_transformers(a)] == [[[0, 3], [1, 0]], [[], []]]


def test_every_layer_has_pairs_of_its_own():
    told = [[(torch.tensor([i]), torch.tensor([0]))] for i in range(3)]
    layers = [{"logits": torch.rand(1, 4, 3)} for _ in range(3)]
    matcher = Matcher(lambda mine, targets: told)
    matcher.see(matcher, ({**layers[0], "auxiliary_outputs": layers[1:]}, []))
    assert [matcher(layer, [])[0][0].tolist() for layer in layers] == [[0], [1], [2]]


@pytest.mark.parametrize("assigner", [la.ATSS(), la.PAA(), la.Warmup(la.Hungarian(), la.SimOTA(), steps=2)], ids=str)
def test_assigners_of_places_are_refused(assigner):
    with pytest.raises(ValueError, match="an assigner of queries, which lie nowhere"):
        attach(query_model("DETR"), assigner)


def test_what_does_not_fit_is_said():
    model, lad = query_model("DETR"), la.LAD(SHARED)
    with pytest.raises(TypeError, match=r"builds ImageLoss, DeformableDetrImageLoss, RTDetrLoss or DFineLoss, got Lin"):
        attach(torch.nn.Linear(2, 2), la.Hungarian.detr())
    with pytest.raises(ValueError, match="a teacher for LAD"):
        attach(model, lad)
    with pytest.raises(TypeError, match="a teacher whose loss is ImageLoss, got Deformable"):
        attach(model, lad, teacher=query_model("Deformable DETR"))
    for picks in (query_model("RT-DETR"), query_model("D-FINE"), query_model("Deformable DETR", two_stage=True)):
        with pytest.raises(TypeError, match="picks its queries image by image"):
            attach(picks, lad, teacher=copy.deepcopy(picks))
    for other in ({"num_queries": 10}, {"decoder_layers": 3}):
        with (
            attach(model, lad, teacher=query_model("DETR", **other)),
            pytest.raises(ValueError, match="the same decoder"),
        ):
            run(model)
    with attach(model, la.Hungarian.detr()), pytest.raises(ValueError, match=r"handle\.detach"):
        attach(model, la.Hungarian.detr())


class Pictures(torch.utils.data.Dataset):
    """The one batch, one by one."""

    def __len__(self):
        return 2

    def __getitem__(self, i):
        pixels, targets = pictures()
        return {"pixel_values": pixels[i], "labels": targets[i]}


def collate(items):
    return {"pixel_values": torch.stack([x["pixel_values"] for x in items]), "labels": [x["labels"] for x in items]}


class Watch(transformers.TrainerCallback):
    """What the handle says after every step."""

    def __init__(self):
        self.seen = []

    def on_step_end(self, args, state, control, model, **more):
        self.seen.append(Handle.of(model).stats)


def trainer(folder, model, **options):
    steps = {"max_steps": 4, "per_device_train_batch_size": 2, "logging_steps": 1, "save_steps": 2, "use_cpu": True}
    quiet = {"report_to": [], "disable_tqdm": True, "remove_unused_columns": False, "prediction_loss_only": True}
    rate = {"lr_scheduler_type": "constant", "learning_rate": 1e-3, "dataloader_pin_memory": False}
    arguments = transformers.TrainingArguments(str(folder), **{**steps, **quiet, **rate, **options})
    return transformers.Trainer(model, arguments, data_collator=collate, train_dataset=Pictures(), callbacks=[Watch()])


def logged(run):
    return [each["loss"] for each in run.state.log_history if "loss" in each]


@pytest.mark.parametrize("kind", ["DETR", "RT-DETR"])
def test_a_trainer_trains_saves_resumes_and_evaluates(kind, tmp_path):
    first = query_model(kind)
    attach(first, MANY[0])
    whole = trainer(tmp_path, first)
    whole.train()
    assert len(logged(whole)) == 4
    watch = next(each for each in whole.callback_handler.callbacks if isinstance(each, Watch))
    assert [each["positives_per_object"] for each in watch.seen] == [3.0] * 4
    # Trainer alone leaves out the weights whose names its checkpoint spells otherwise; `from_pretrained` translates
    checkpoint = str(tmp_path / "checkpoint-2")
    second = query_model(kind, seed=3)
    second.load_state_dict(type(first).from_pretrained(checkpoint).state_dict())
    attach(second, MANY[0])
    resumed = trainer(tmp_path, second)
    resumed.train(resume_from_checkpoint=checkpoint)
    assert logged(resumed) == pytest.approx(logged(whole), abs=1e-4)  # the first two are of the checkpoint
    assert resumed.evaluate(Pictures())["eval_loss"] == pytest.approx(whole.evaluate(Pictures())["eval_loss"], abs=1e-4)


def test_a_trainer_trains_under_a_teacher(tmp_path):
    model, teacher = query_model("DETR"), query_model("DETR", seed=7)
    attach(model, la.LAD(SHARED), teacher=teacher)
    one = trainer(tmp_path, model, max_steps=12, save_strategy="no")
    one.train()
    found = logged(one)
    assert sum(found[-3:]) < sum(found[:3])
    assert Handle.of(model).step == 12
