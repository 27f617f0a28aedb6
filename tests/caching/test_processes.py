"""Several processes read and write at once, fork and are killed: entries are whole, and none that was made is lost."""

import multiprocessing
import os
import random
import signal
import time
from itertools import count

import pytest
import torch

import labelassign as la
from tests.caching.kept import LAD, lad, never, same, scene

FORK, SPAWN = multiprocessing.get_context("fork"), multiprocessing.get_context("spawn")
Cache = la.AssignmentCache  # loaded once, before the forks
PRIORS, GT, TEACHER = scene((3, 0, 5, 2))
BATCH = 4
KILLS = 20


@pytest.fixture(scope="module")
def want():
    return lad(PRIORS, GT, TEACHER)()


def names(number):
    return [f"{number}/{i}" for i in range(BATCH)]


def child(body, *given):
    """A forked process that runs `body` and has no other end than this."""
    process = FORK.Process(target=body, args=given)
    process.start()
    return process


def ended(*processes):
    for process in processes:
        process.join(60)
    return [process.exitcode for process in processes]


def test_two_processes_write_at_once(tmp_path, want):
    def body(first):
        cache = Cache(tmp_path, LAD, "teacher")
        for number in range(first, first + 12):  # the two share half of them
            same(cache(names(number), PRIORS, GT, lambda: want), want)

    assert ended(child(body, 0), child(body, 6)) == [0, 0]
    cache = Cache(tmp_path, LAD, "teacher")
    for number in range(18):
        same(cache(names(number), PRIORS, GT, never), want)


def test_a_fork_leaves_both_sides_a_working_cache(tmp_path, want):
    cache = Cache(tmp_path, LAD, "teacher")
    cache(names(0), PRIORS, GT, lambda: want)

    def body():
        assert cache._store._environment is None  # LMDB forbids one to live on in a fork
        same(cache(names(0), PRIORS, GT, never), want)
        same(cache(names(1), PRIORS, GT, lambda: want), want)
        assert ended(child(lambda: same(cache(names(1), PRIORS, GT, never), want))) == [0]

    assert ended(child(body)) == [0]
    for number in range(2):
        same(cache(names(number), PRIORS, GT, never), want)


def test_a_fork_that_python_does_not_see_is_noticed(tmp_path, want, monkeypatch):
    cache = Cache(tmp_path, LAD, "teacher")
    cache(names(0), PRIORS, GT, lambda: want)
    before = cache._store._environment
    monkeypatch.setattr(os, "getpid", lambda: 1)
    same(cache(names(0), PRIORS, GT, never), want)
    assert cache._store._environment is not before


def test_what_another_process_was_allowed_to_write_can_be_read(tmp_path, want):
    heard, told = os.pipe()

    def body():
        os.read(heard, 1)
        larger = Cache(tmp_path, LAD, "teacher", size=1 << 24)
        for number in range(40):
            larger(names(number), PRIORS, GT, lambda: want)
        assert larger.stats["refused"] == 0
        assert larger.stats["bytes"] > 1 << 16

    process = child(body)
    cache = Cache(tmp_path, LAD, "teacher", size=1 << 16)  # open before and while the other one grows
    cache(names(0), PRIORS, GT, lambda: want)
    os.write(told, b".")
    assert ended(process) == [0]
    for number in range(40):
        same(cache(names(number), PRIORS, GT, never), want)


class Images(torch.utils.data.Dataset):
    """Asks the cache in the worker."""

    def __init__(self, cache, answer):
        self.cache, self.answer = cache, answer

    def __len__(self):
        return 8

    def __getitem__(self, number):
        a = self.cache(names(number), PRIORS, GT, lambda: self.answer)
        return a.gt_index, self.cache.stats["hits"]


@pytest.mark.parametrize("context", [FORK, SPAWN], ids=["fork", "spawn"])
def test_workers_of_a_data_loader_share_the_cache(tmp_path, want, context):
    cache = Cache(tmp_path, LAD, "teacher")
    cache(names(0), PRIORS, GT, lambda: want)
    # spawned workers stay for the second round, since they begin by importing torch; others are forked for every round
    options = {"num_workers": 1, "persistent_workers": True} if context is SPAWN else {"num_workers": 2}
    loader = torch.utils.data.DataLoader(
        Images(cache, want), batch_size=None, multiprocessing_context=context, **options
    )
    for _ in range(2):
        found = list(loader)
        assert all(torch.equal(index, want.gt_index) for index, _ in found)
        cache(names(8), PRIORS, GT, lambda: want)
    assert [hits > 0 for _, hits in found] == [True] * 8
    for number in range(9):
        same(cache(names(number), PRIORS, GT, never), want)


def write_until_killed(folder, first, answer, told):
    cache = Cache(folder, LAD, "teacher")
    for number in count(first):
        cache(names(number), PRIORS, GT, lambda: answer)
        os.write(told, b".")


def test_a_killed_writer_loses_nothing_that_it_had_finished(tmp_path, want):
    drawn, first, unfinished = random.Random(0), 0, 0
    for _ in range(KILLS):
        heard, told = os.pipe()
        process = child(write_until_killed, tmp_path, first, want, told)
        os.close(told)
        os.read(heard, 1)  # it has begun
        time.sleep(drawn.random() * 0.1)
        os.kill(process.pid, signal.SIGKILL)
        assert ended(process) == [-signal.SIGKILL]
        finished = 1
        while part := os.read(heard, 4096):
            finished += len(part)
        os.close(heard)
        cache = Cache(tmp_path, LAD, "teacher")
        for number in range(first, first + finished):
            same(cache(names(number), PRIORS, GT, never), want)
        same(cache(names(first + finished), PRIORS, GT, lambda: want), want)  # there or not, never half
        unfinished += cache.stats["misses"] > 0
        first += finished + 1
        del cache
    cache = Cache(tmp_path, LAD, "teacher")
    for number in range(first):
        same(cache(names(number), PRIORS, GT, never), want)
    assert unfinished  # some were killed before they had written
