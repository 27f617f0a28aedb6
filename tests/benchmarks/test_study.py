"""The study: its plan can be run, its statistics are right, and its page says what is there."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks.study import __main__ as runner
from benchmarks.study import advice, analysis, jobs, page, results
from benchmarks.study.statistics import holm, paired
from examples.recipe.checkpoints import save_json
from examples.recipe.options import Options

JOBS = jobs.every()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """No results yet, and a place for them."""
    monkeypatch.setattr(jobs, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(runner, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(runner, "WORK", tmp_path / "work")
    return tmp_path


def finish(job, ap=10.0, second=None, seconds=60.0):
    """As if it had run."""
    scores = {"AP": ap, "AP50": 2 * ap} | ({} if second is None else {"AP_second": second, "AP50_second": 2 * second})
    rows = [{"step": step, "churn": 0.1, "overlap": 0.5, "positives": 8.0} for step in (50, 600)]
    spent = {"train": seconds, "assignment": 1.0, "teacher": 20.0 if job.options.get("teacher") else 0.0}
    options = {name: job.options.get(name) for name in ("teacher", "rate")}
    content = {"options": options, "scores": scores, "cpu_seconds": spent}
    save_json(job.path, content | {"rows": rows, "parameters": 187554})


def test_all_runs_have_a_name_of_their_own_and_options_that_fit():
    assert len({job.name for job in JOBS}) == len(JOBS)
    for job in JOBS:
        assert isinstance(jobs.options_of(job, Path("work")), Options)
        assert set(job.needs) <= {each.name for each in JOBS}


def test_what_is_named_is_an_arm():
    arms, plan = {*jobs.PLAN["arms"], "pair"}, jobs.PLAN
    named = {each[side] for each in plan["primary"] for side in ("arm", "against")}
    named |= {arm for pair in plan["exploratory"]["pairs"] for arm in pair} | set(plan["curve"]["arms"])
    assert named <= arms
    assert len(plan["primary"]) <= 4
    assert all(each["seeds"] >= 12 for each in plan["primary"])
    assert not {1000, 900, 901, 902} & {job.options["seed"] for job in jobs.runs()}


def test_students_learn_from_several_teachers():
    for arm in ("lad_large", "lad_equal", "lad_small"):
        assert len({jobs.run(arm, seed, 600).options["teacher"] for seed in range(6)}) == 3


def test_every_arm_is_tried_equally_often_and_keeps_its_best_rate(folder):
    tried = [job for job in jobs.trials() if job.name.startswith("tuning/paa-")]
    assert [job.options["rate"] for job in tried] == jobs.PLAN["tuning"]["rates"]
    for job, ap in zip(tried, (10.0, 20.0, 5.0), strict=True):
        finish(job, ap)
    assert jobs.best_rate("paa") == jobs.best_rate("paa_second") == tried[1].options["rate"]
    assert jobs.best_rate("atss") == min(jobs.PLAN["tuning"]["rates"])
    assert not [job for job in jobs.trials() if "paa_second" in job.name or "paa_fast" in job.name]
    assert jobs.run("paa", 0, 600).options["rate"] == tried[1].options["rate"]
    assert jobs.run("paa_fast", 0, 600).options["rate"] == 0.006  # an arm's own rate is not looked for


def test_atss_is_matched_to_the_teachers(folder):
    assert jobs.run("atss_matched", 0, 600).options["topk"] == 9
    for job in jobs.teachers():
        finish(job)
    assert jobs.run("atss_matched", 0, 600).options["topk"] == 24  # 8.26 is nearest to 8


def test_only_what_is_missing_runs_and_what_it_needs_comes_first(folder, monkeypatch):
    ran = []
    known = {job.name: job for job in JOBS}

    def run(name):
        assert all(runner._there(need) for need in known[name].needs)
        ran.append(name)
        finish(known[name])
        (folder / "work" / name).mkdir(parents=True)
        (folder / "work" / name / "model.pt").touch()
        return 0

    monkeypatch.setattr(runner, "_apart", run)
    assert runner.run_all("600/lad_large-0", 2) == 1  # not before trials and teachers
    assert ran == []
    assert runner.run_all("t*", 2) == 0
    assert set(ran) == {job.name for job in JOBS if not job.name[0].isdigit()}
    assert runner.run_all("600/lad_large-0", 2) == 0
    assert ran[-1] == "600/lad_large-0"
    assert runner.run_all("600/lad_large-0", 2) == 0
    assert len(ran) == len(set(ran))
    (folder / "work/teachers/large-1/model.pt").unlink()  # weights are not in the repository
    before = len(ran)
    monkeypatch.setattr(runner, "_apart", lambda name: ran.append(name) or 1)
    assert runner.run_all("600/lad_large-1", 1) == 2
    assert ran[before:] == ["teachers/large-1"]


def test_a_run_that_fails_is_told_and_not_tried_again(folder, monkeypatch, capsys):
    monkeypatch.setattr(runner, "_apart", lambda name: 1)
    assert runner.run_all("teachers/small-0", 1) == 1
    assert "failed: teachers/small-0" in capsys.readouterr().err


def test_differences_are_those_of_scipy():
    rng = np.random.default_rng(0)
    first, second = ({seed: float(rng.normal(shift)) for seed in range(12)} for shift in (1, 0))
    found = paired(first, second, 0.95)
    expected = stats.ttest_rel(list(first.values()), list(second.values()))
    low, high = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.agree == sum(first[seed] > second[seed] for seed in first)
    assert found.sign_p == stats.binomtest(found.agree, 12).pvalue
    # all signs: 2 of 2^3 are as extreme as three alike
    assert paired({0: 1.0, 1: 2.0, 2: 3.0}, dict.fromkeys(range(3), 0.0), 0.95).p == pytest.approx(0.25)
    assert paired({0: 1.0, 1: 2.0}, {1: 1.0, 2: 5.0}, 0.95) is None


def test_holms_correction():
    # the example of Holm (1979) as it is usually worked: 0.01 * 4, 0.03 * 2 carried on, 0.005 * ... in order
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_the_page_says_how_far_it_is_and_nothing_more(folder):
    assert f"0 of {len(JOBS)} runs" in page.write(folder).read_text("utf-8")
    for job in jobs.teachers():
        finish(job, 30.0)
    for seed in range(12):
        for arm, gain in (("paa", 0.0), ("lad_large", 3.0), ("lad_equal", 0.1 * (-1) ** seed), ("lad_ema", 0.0)):
            finish(jobs.run(arm, seed, 600), 20 + seed % 3 + gain + 0.01 * seed * (gain > 1))
    text = page.write(folder).read_text("utf-8")
    assert "**The study is not finished.**" in text
    assert "| a difference |" not in text  # SoLAD is missing, so nothing is corrected yet
    for seed in range(12):
        finish(jobs.run("solad", seed, 600), 24 + seed % 4)
    lines = {
        line.split("|")[1].strip(): line for line in page.write(folder).read_text("utf-8").splitlines() if "|" in line
    }
    assert "| a difference |" in lines["LAD with a larger teacher against PAA"]
    assert "not resolved at this scale" in lines["LAD with a teacher of the student's size against PAA"]
    assert (folder / "images/study/differences.svg").exists()


def test_two_networks_count_by_their_mean(folder):
    finish(jobs.run("colad_std_batch", 0, 600), 10.0, second=20.0)
    finish(jobs.run("paa", 0, 600), 12.0)
    finish(jobs.run("paa_second", 0, 600), 14.0)
    assert analysis.scores("colad_std_batch", 600) == {0: 15.0}
    assert analysis.scores("pair", 600) == {0: 13.0}


def test_a_students_cost_counts_its_teacher(folder):
    finish(next(iter(jobs.teachers())))
    finish(jobs.run("lad_large", 0, 600))
    finish(jobs.run("lad_large", 1, 600), seconds=100.0)
    found = analysis.cost("lad_large", 600)
    assert found == {"train": 60.0, "teacher": 20.0, "assignment": 1.0, "before": 60.0}


def test_what_is_kept_names_code_and_scenes(folder, monkeypatch):
    monkeypatch.setattr("examples.recipe.sources.SCENES", dict.fromkeys(("train", "tune", "test"), 24))
    job = jobs.run("paa", 0, 600)
    options = jobs.options_of(job, folder).to_dict()
    made = {"options": options, "scores": {"AP": 1 / 3}, "cpu_seconds": {"train": 1.0}, "parameters": 1, "rows": []}
    results.keep(job, made | {"torch": "2", "labelassign": "0"})
    kept = job.result()
    assert kept["scores"] == {"AP": 0.3333}
    assert len(kept["scenes"]) == 16
    assert kept["commit"] != "unknown"


def test_advice_quotes_figures_only_when_all_seeds_have_run(folder):
    known = advice.figures()
    assert "0 of 12 seeds" in known["lad_large_vs_paa"]
    for job in jobs.teachers():
        finish(job, 30.0)
    for seed in range(12):
        for arm in ("paa", "lad_large", "lad_equal", "lad_ema", "solad"):
            finish(jobs.run(arm, seed, 600), 20 + seed % 3 + 0.01 * seed + 3.0 * (arm == "lad_large"))
    known = advice.figures()
    assert "**+3.0 AP** (+3.0 … +3.0, same sign in 12 of 12 seeds" in known["lad_large_vs_paa"]
    assert "a difference" in known["lad_large_vs_paa"]
    assert "`lad_large-*.json`, `paa-*.json`" in known["lad_large_vs_paa"]
    assert known["d_lad_large_vs_paa"] == "+3.0"
    assert (known["s_lad_large_600"], known["t_lad_large_600"]) == ("60", "120")  # with what the teacher took
    assert (known["ap_solad_1200"], known["d_soft_vs_paa"]) == ("?", "?")
    finish(jobs.run("soft", 0, 600))
    assert advice.figures()["d_soft_vs_paa"] == "?"  # one seed is no result
