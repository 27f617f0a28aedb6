"""What comes out of the cache is what was computed, bit for bit, and nothing else."""

import copy
import gc
import itertools
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import lmdb
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import labelassign as la
from labelassign.caching import entries, store
from labelassign.testing import scenes
from tests.caching.kept import LAD, Counted, lad, never, same, scene, single

ASSIGNERS = (
    *(LAD, la.LAD(la.TaskAligned()), la.LAD(la.SimOTA())),
    *(la.PAA(), la.ATSS(), la.MaxIoU(), la.FCOS(), la.DynamicSoftLabel(), la.OTA()),
    *(la.Rescue(LAD), la.PAA.mmdet()),
)
NUMBER = itertools.count()
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@given(scenes(), st.sampled_from(ASSIGNERS))
def test_an_answer_from_the_cache_is_that_which_was_computed(folder, scene, assigner):
    cache = la.AssignmentCache(folder, assigner, "teacher")
    names = [f"{next(NUMBER)}" for _ in range(scene.gt.num_images)]
    want = scene.assign(assigner)
    same(cache(names, scene.priors, scene.gt, lambda: want), want)
    same(cache(names, scene.priors, scene.gt, never), want)
    assert cache.stats["hits"] == cache.stats["misses"] == len(names)


@given(scenes(max_images=3), st.data())
def test_an_image_is_found_wherever_it_lies_in_a_batch(folder, scene, data):
    cache = la.AssignmentCache(folder, LAD, "teacher")
    names = [f"{next(NUMBER)}" for _ in range(scene.gt.num_images)]
    cache(names, scene.priors, scene.gt, lambda: scene.assign(LAD))
    order = data.draw(st.lists(st.sampled_from(range(len(names))), min_size=1, max_size=4))
    images = scene.gt.to_list()
    gt = la.GroundTruth.from_list([images[i] for i in order], on_bad_box="ignore")
    gt = gt.pad_to(gt.num_rows + data.draw(st.integers(0, 2)))
    priors, teacher = scene.priors, scene.teacher
    boxes = priors.boxes if priors.boxes.dim() == 2 else priors.boxes[order]
    priors = replace(priors, boxes=boxes, valid=None if priors.valid is None else priors.valid[order])
    teacher = replace(teacher, boxes=teacher.boxes[order], scores=teacher.scores[order])
    same(cache([names[i] for i in order], priors, gt, never), LAD(priors, gt, teacher=teacher))


def test_bits_that_compare_equal_are_kept_apart(tmp_path):
    priors, gt, teacher = scene()
    a = lad(priors, gt, teacher)()
    quality = torch.where(a.background, -0.0, a.quality)
    quality[0, :2] = torch.tensor([float("nan"), float("-inf")])
    odd = replace(a, quality=quality, cls_weight=torch.where(a.positive, 0.5, a.cls_weight))
    cache = la.AssignmentCache(tmp_path, LAD, "teacher")
    same(cache(["a", "b", "c"], priors, gt, lambda: odd), odd)
    same(cache(["a", "b", "c"], priors, gt, never), odd)


def test_images_are_computed_once_and_found_after_reopening(tmp_path):
    priors, gt, teacher = scene()
    compute = Counted(lad(priors, gt, teacher))
    for _ in range(3):
        cache = la.AssignmentCache(str(tmp_path), LAD, "teacher")
        same(cache(["a", "b", "c"], priors, gt, compute), compute.make())
        del cache
        gc.collect()
        assert not store._STORES
    assert compute.times == 1


def test_missing_images_are_added_and_the_others_counted_as_found(tmp_path):
    priors, gt, teacher = scene()
    cache = la.AssignmentCache(tmp_path, LAD, "teacher")
    cache(["b"], *single(1, priors, gt, teacher)[:2], lad(*single(1, priors, gt, teacher)))
    for compute in (Counted(lad(priors, gt, teacher)), never):
        same(cache(["a", "b", "c"], priors, gt, compute), lad(priors, gt, teacher)())
    stats = cache.stats
    assert stats == {"hits": 4, "misses": 3, "refused": 0, "bytes": stats["bytes"]}
    assert 0 < stats["bytes"] <= 1 << 20


def test_nothing_is_kept_of_a_computation_that_failed(tmp_path):
    priors, gt, teacher = scene()
    cache = la.AssignmentCache(tmp_path, LAD, "teacher")
    with pytest.raises(AssertionError, match="computed"):
        cache(["a", "b", "c"], priors, gt, never)
    same(cache(["a", "b", "c"], priors, gt, lad(priors, gt, teacher)), lad(priors, gt, teacher)())
    assert cache.stats["hits"] == 0


def test_copies_carry_the_settings_and_share_the_folder(tmp_path):
    priors, gt, teacher = scene()
    cache = la.AssignmentCache(tmp_path, LAD, torch.nn.Linear(2, 3), 1 << 22)
    cache(["a", "b", "c"], priors, gt, lad(priors, gt, teacher))
    for other in (copy.copy(cache), copy.deepcopy(cache), pickle.loads(pickle.dumps(cache))):
        assert other.stats["misses"] == 0
        settings = [(c.folder, c.assigner, c.teacher, c.size) for c in (cache, other)]
        assert settings[0] == settings[1]
        same(other(["a", "b", "c"], priors, gt, never), lad(priors, gt, teacher)())
    assert repr(cache) == f"AssignmentCache({str(tmp_path)!r}, LAD: 0 hits, 3 misses, 0 refused)"


def test_a_full_cache_refuses_and_stays_right(tmp_path):
    priors, gt, teacher = scene((6, 6, 6, 6))
    cache = la.AssignmentCache(tmp_path, LAD, "teacher", size=1 << 16)
    want, rounds = lad(priors, gt, teacher)(), 12
    for number in range(rounds):
        same(cache([f"{number}/{i}" for i in range(4)], priors, gt, lambda: want), want)
    refused = cache.stats["refused"]
    assert 0 < refused < 4 * rounds
    assert cache.stats["bytes"] <= 1 << 16
    for number in range((4 * rounds - refused) // 4):
        same(cache([f"{number}/{i}" for i in range(4)], priors, gt, never), want)
    larger = la.AssignmentCache(tmp_path, LAD, "teacher", size=1 << 20)
    for compute in (lambda: want, never):
        same(larger([f"{rounds - 1}/{i}" for i in range(4)], priors, gt, compute), want)
    assert larger.stats["refused"] == 0


def test_a_full_disk_is_no_error(tmp_path, monkeypatch):
    priors, gt, teacher = scene()
    cache, want = la.AssignmentCache(tmp_path, LAD, "teacher"), lad(priors, gt, teacher)()
    begin = cache._store._begin

    def full(*, write):
        if write:
            raise lmdb.DiskError("mdb_txn_commit: No space left on device")
        return begin(write=write)

    monkeypatch.setattr(cache._store, "_begin", full)
    for _ in range(2):
        same(cache(["a", "b", "c"], priors, gt, lambda: want), want)
    assert (cache.stats["misses"], cache.stats["refused"]) == (6, 6)


def test_background_and_invalid_priors_take_no_room():
    priors, gt, teacher = scene((0, 2))
    priors = priors.with_image_sizes([(60, 70), (128, 160)])
    a, keys = lad(priors, gt, teacher)(), [b"a" * 32, b"b" * 32]
    made = entries.write(keys, [0, 1], a, [0, 0, 2], priors)
    listed = int((a.gt_index[1] != la.BACKGROUND).sum())
    assert a.ignored[0].any()
    assert [len(made[key]) for key in keys] == [8, 8 + 24 * listed + 2]


def test_two_names_of_one_folder_are_one_store(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    priors, gt, teacher = scene()
    (tmp_path / "real").mkdir()
    caches = [la.AssignmentCache(tmp_path / name, LAD, "teacher") for name in ("real", "link")]
    caches[0](["a", "b", "c"], priors, gt, lad(priors, gt, teacher))
    same(caches[1](["a", "b", "c"], priors, gt, never), lad(priors, gt, teacher)())


def test_any_changed_byte_of_an_entry_is_seen():
    priors, gt, teacher = single(0, *scene())
    a, key = lad(priors, gt, teacher)(), b"k" * 32
    entry = entries.write([key], [0], a, [0, 3], priors)[key]
    assert entries.sound(key, entry, 3)
    for place in range(len(entry)):
        changed = bytearray(entry)
        changed[place] ^= 1 << place % 8
        assert not entries.sound(key, bytes(changed), 3)
    wrong = [(key, entry, 4), (key, entry[:-1], 3), (key, entry[:3], 3), (key, b"", 3), (key, None, 3)]
    assert not any(entries.sound(*each) for each in [*wrong, (b"l" * 32, entry, 3)])


def test_a_spoiled_entry_is_computed_and_written_again(tmp_path):
    priors, gt, teacher = scene()
    want = lad(priors, gt, teacher)()
    cache = la.AssignmentCache(tmp_path, LAD, "teacher")
    cache(["a", "b", "c"], priors, gt, lambda: want)
    with cache._store._begin(write=False) as look:
        largest = max((bytes(entry) for _, entry in look.cursor()), key=len)
    cache._store.close()
    held = (tmp_path / "data.mdb").read_bytes()
    place = held.index(largest) + 20
    (tmp_path / "data.mdb").write_bytes(held[:place] + bytes([held[place] ^ 4]) + held[place + 1 :])
    compute = Counted(lambda: want)
    for _ in range(2):
        same(cache(["a", "b", "c"], priors, gt, compute), want)
    assert compute.times == 1
    assert (cache.stats["misses"], cache.stats["hits"]) == (4, 5)


def test_a_folder_that_was_deleted_meanwhile_is_made_again(tmp_path):
    priors, gt, teacher = scene()
    cache = la.AssignmentCache(tmp_path / "deep" / "down", LAD, "teacher")
    compute = Counted(lad(priors, gt, teacher))
    for _ in range(2):
        for _ in range(2):
            cache(["a", "b", "c"], priors, gt, compute)
        shutil.rmtree(tmp_path / "deep")
    assert compute.times == 2


def test_threads_share_a_cache(tmp_path):
    priors, gt, teacher = scene()
    cache, want = la.AssignmentCache(tmp_path, LAD, "teacher"), lad(priors, gt, teacher)()

    def call(number):
        return cache([f"{number % 10}/{i}" for i in range(3)], priors, gt, lambda: want)

    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(call, range(40)):
            same(got, want)
        with store._LOCK:  # as while the process forks
            late = pool.submit(call, 0)
            with pytest.raises(TimeoutError):
                late.result(0.2)
        same(late.result(), want)
