"""RF-DETR's own training module, in training."""

import copy
import io

import pytest
import pytorch_lightning
import torch
from rfdetr.utilities.tensors import pad_targets_to_fixed_count
from torch.utils.data import DataLoader

import labelassign as la
from labelassign.adapters import Handle
from labelassign.adapters.rfdetr import attach, from_rfdetr, to_rfdetr
from tests.adapters.rfdetr_models import batch, learn, losses, module

RULE = la.Hungarian.dino()
MANY = la.Hungarian("focal", 2.0, repeats=3)  # queries per object
LAYERS, GROUPS = 3, 3  # two of the decoder and the encoder's own proposals


def values(each, **more):
    return {name: float(value.detach()) for name, value in losses(each, **more).items()}


def test_the_stock_rule_gives_the_stock_losses():
    stock, ours = module(), module()
    with attach(ours, RULE) as handle:
        assert learn(ours, 3) == pytest.approx(learn(stock, 3), abs=1e-5)
        assert values(ours) == pytest.approx(values(stock), abs=1e-5)
    assert handle.step == 4
    assert handle.stats["positives"] == handle.stats["objects"] == 3 * LAYERS * GROUPS


def test_every_group_and_layer_has_the_pairs_of_the_own_matcher():
    each = module().train()
    pixels, targets = batch()
    learn(each, 5)  # until then, the decoder's boxes are the encoder's
    said = each.model(pixels, targets)
    stock = each.criterion.matcher
    layers = [said, *said["aux_outputs"], said["enc_outputs"]]
    with attach(each, RULE):
        ours = each.criterion.matcher
        ours.see(each.criterion, (said, targets), {})
        for layer in layers:
            pairs = [[side.tolist() for side in pair] for pair in ours(layer, targets, group_detr=GROUPS)]
            assert pairs == [[side.tolist() for side in p] for p in stock(layer, targets, group_detr=GROUPS)]
    assert len(layers) == LAYERS


def test_the_loss_of_evaluation_has_one_group():
    each = module().eval()
    stock = values(each)
    with attach(each, RULE) as handle:
        assert values(each) == pytest.approx(stock, abs=1e-5)
    assert handle.stats["objects"] == 3 * LAYERS


def test_small_pictures_have_fewer_proposals_than_queries():
    """9 places for 12 queries."""
    stock, ours = module(), module()
    small = batch(48)
    with attach(ours, RULE) as handle:
        assert learn(ours, 3, small) == pytest.approx(learn(stock, 3, small), abs=1e-5)
    missing = handle.last.ignored.unflatten(0, (LAYERS, 2 * GROUPS))
    assert missing[-1, :, 9:].all()
    assert missing.sum() == 2 * GROUPS * (12 - 9)
    with attach(ours, MANY) as handle:
        learn(ours, 1, small)
    assert handle.stats["positives_per_object"] == 3


def test_padded_targets_are_no_objects():
    stock, ours = module(), module()
    pixels, targets = batch()
    padded = (pixels, list(pad_targets_to_fixed_count(targets, 5)))
    with attach(ours, RULE) as handle:
        assert learn(ours, 3, padded) == pytest.approx(learn(stock, 3, (pixels, targets)), abs=1e-5)
    assert handle.stats["objects"] == 3 * LAYERS * GROUPS


@pytest.mark.parametrize("masks", [False, True], ids=("boxes", "masks"))
def test_several_queries_per_object_train(masks):
    each = module(masks=masks)
    with attach(each, MANY) as handle:
        found = learn(each, 20, batch(masks=masks))
    assert torch.tensor(found).isfinite().all()
    assert sum(found[-3:]) < sum(found[:3])
    assert handle.stats["positives_per_object"] == 3
    assert handle.stats["objects_without"] == 0


def test_detach_puts_everything_back():
    each = module().train()
    names, stock = {name: set(vars(part)) for name, part in each.named_modules()}, values(each)
    own = each.criterion.matcher
    handle = attach(each, MANY)
    assert values(each) != stock
    assert each.criterion.matcher.pairs == {}
    handle.detach()
    handle.detach()
    assert {name: set(vars(part)) for name, part in each.named_modules()} == names
    assert not each.criterion._forward_pre_hooks
    assert not each.criterion._forward_hooks
    assert each.criterion.matcher is own
    assert values(each) == stock


def test_copies_keep_the_assigner_and_the_state_dict_knows_nothing():
    each = module().train()
    keys = list(each.state_dict())
    handle = attach(each, MANY)
    want = values(each)
    assert list(each.state_dict()) == keys
    each.criterion.matcher.pairs = {0: []}  # as in the middle of a step
    twin = copy.deepcopy(each)
    assert twin.criterion.matcher.pairs == {}
    assert Handle.of(twin) is not handle
    assert Handle.of(twin).model is twin
    file = io.BytesIO()
    torch.save(each, file)
    file.seek(0)
    for again in (twin, torch.load(file, weights_only=False)):
        assert values(again) == want
        Handle.of(again).detach()
        assert Handle.of(again) is None
        assert values(again) != want
    assert values(each) == want


def test_a_criterion_alone_is_enough():
    each = module().train()
    stock = values(each)
    handle = attach(each.criterion, MANY)
    assert Handle.of(each.criterion) is handle
    assert values(each) != stock
    with pytest.raises(ValueError, match=r"handle\.detach"):
        attach(each, MANY)
    handle.detach()
    assert values(each) == stock


class Watch(pytorch_lightning.Callback):
    """What the handle says after every step."""

    def __init__(self):
        self.losses, self.stats = [], []

    def on_train_batch_end(self, trainer, pl_module, outputs, *more):
        self.losses.append(float(outputs["loss"]))
        self.stats.append(Handle.of(pl_module).stats)
        pl_module.log_dict(self.stats[-1])


def fit(each, folder, steps, checkpoint=None):
    """In a Trainer; gives what was seen."""
    watch = Watch()
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary"), False)
    saves = pytorch_lightning.callbacks.ModelCheckpoint(folder, save_last=True)
    trainer = pytorch_lightning.Trainer(accelerator="cpu", max_epochs=steps, callbacks=[watch, saves], **quiet)
    loader = DataLoader([batch()], batch_size=None)
    trainer.fit(each, loader, ckpt_path=checkpoint)
    return watch


def test_a_trainer_trains_saves_and_resumes(tmp_path):
    first, again = module(), module(seed=3)
    attach(first, MANY)
    attach(again, MANY)
    fit(first, tmp_path, 2)
    resumed = fit(again, tmp_path / "more", 4, str(tmp_path / "last.ckpt"))
    whole = module()
    attach(whole, MANY)
    seen = fit(whole, tmp_path / "whole", 4)
    assert len(seen.losses) == 4
    assert {each["positives_per_object"] for each in seen.stats} == {3.0}
    assert resumed.losses == pytest.approx(seen.losses[2:], abs=1e-5)


def test_the_encoding_goes_both_ways():
    gt = la.GroundTruth.from_list([{"boxes": [[0, 0, 9, 9]] * 2, "labels": [1, 2]}, {"boxes": [], "labels": []}])
    pairs = [(torch.tensor([3, 0]), torch.tensor([0, 1])), (torch.tensor([]).long(), torch.tensor([]).long())]
    a = from_rfdetr(pairs, gt, 4)
    assert a.gt_index.tolist() == [[1, -1, -1, 0], [-1] * 4]
    assert [[side.tolist() for side in each] for each in to_rfdetr(a)] == [[[0, 3], [1, 0]], [[], []]]
    each_twice = la.GroundTruth.from_list([image for image in gt.to_list() for _ in range(2)])
    a = from_rfdetr([pairs[0], (torch.tensor([1]), torch.tensor([1])), pairs[1], pairs[1]], each_twice, 4)
    assert [[side.tolist() for side in each] for each in to_rfdetr(a, groups=2)] == [[[0, 3, 5], [1, 0, 1]], [[], []]]


@pytest.mark.parametrize("assigner", [la.ATSS(), la.PAA(), la.Warmup(la.Hungarian(), la.SimOTA(), steps=2)], ids=str)
def test_assigners_of_places_are_refused(assigner):
    with pytest.raises(ValueError, match="an assigner of queries, which lie nowhere"):
        attach(module().criterion, assigner)


def test_what_does_not_fit_is_said():
    each = module()
    with pytest.raises(TypeError, match=r"an RFDETRModelModule or its criterion, got LWDETR"):
        attach(each.model, RULE)
    shared = la.Hungarian("focal", 2.0, shared_queries=True)
    for assigner in (la.LAD(shared), la.CoLAD(shared, la.FisherScore())):
        for teacher in (module(seed=7), None):
            with pytest.raises(TypeError, match=r"without a teacher, got (LAD|CoLAD).*picks the queries"):
                attach(each, assigner, teacher=teacher)
    with pytest.raises(ValueError, match="an assigner with `groups=1`, got groups=13"):
        attach(each, la.Warmup(la.Hungarian(), la.Hungarian.dino(groups=13), steps=2))
    with attach(each, RULE):
        for twice in (each, each.criterion):
            with pytest.raises(ValueError, match=r"handle\.detach"):
                attach(twice, RULE)
        each.criterion.group_detr = 5
        with pytest.raises(ValueError, match=r"in 5 groups of equal size, got \[36, 36, 36\]"):
            losses(each)
