"""The benchmark of the torch reference compares equal answers, and gives no figure for others."""

import json

import pytest

from benchmarks import reference, report, timing


@pytest.mark.parametrize("images", [1, 4])
@pytest.mark.parametrize("method", ["PAA, 20", "ATSS, 20", "ATSS, 100", "MaxIoU, 20"])
def test_both_arms_give_one_answer(method, images):
    chosen = [case for case in reference.cases(f"{method} objects, batch {images}")]
    assert [case.differing() for case in chosen] == [0]


def test_a_red_check_gives_no_figure(monkeypatch):
    """One prior of mmdet's answer is changed: the row says so, and nothing is timed."""
    case = next(reference.cases("MaxIoU, 20 objects, batch 1"))

    def wrong():
        answer = case.theirs()
        answer[0][0] = 7
        return answer

    monkeypatch.setattr(timing, "interleaved", lambda *_: pytest.fail("timed in spite of a red check"))
    monkeypatch.setattr(reference, "cases", lambda _: [reference.Case("MaxIoU", 20, 1, case.ours, wrong)])
    (row,) = reference.run(rounds=3)
    assert (row.differing, row.times) == (1, {})


def test_arms_take_turns():
    calls = []
    times = timing.interleaved({"ours": lambda: calls.append("o"), "mmdet": lambda: calls.append("m")}, rounds=4)
    assert "".join(calls) == "om" + "ommoommo"
    assert all(0 <= t.low <= t.median <= t.high for t in times.values())


def test_median_and_quartiles_in_milliseconds():
    assert timing.Times.of([0.005, 0.001, 0.002, 0.003, 0.004]) == timing.Times(median=3.0, low=2.0, high=4.0)


def test_the_file_names_the_machine_and_keeps_red_rows(tmp_path):
    green = {"ours": timing.Times(2.0, 1.0, 3.0), "mmdet": timing.Times(1.0, 1.0, 1.0)}
    rows = [timing.Row("ATSS", 20, 1, 0, green), timing.Row("PAA", 20, 1, 3, {})]
    written = json.loads(report.write(tmp_path, "reference", report.machine(2), rows).read_text("utf-8"))
    assert [row.get("ratio") for row in written["rows"]] == [0.5, None]
    assert {"cpu", "cores", "commit", "dirty", "load before", "load after", "packages"} <= set(written["machine"])


def test_the_table_shows_losses_and_red_rows(capsys):
    green = {"ours": timing.Times(2.0, 1.0, 3.0), "mmdet": timing.Times(1.0, 1.0, 1.0)}
    report.show([timing.Row("ATSS", 20, 1, 0, green), timing.Row("PAA", 60, 4, 3, {})])
    printed = capsys.readouterr().out
    assert "0.50" in printed
    assert "3 priors" in printed
