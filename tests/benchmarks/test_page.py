"""Results files and the page made from them."""

import copy
import json
import re

import jsonschema
import pytest

from benchmarks import __main__ as command
from benchmarks import page, report, results, sections
from benchmarks.targets import TARGETS
from tests.benchmarks import made


def test_a_quick_run_writes_a_valid_file(tmp_path, capsys):
    assert command.main(["--quick", "--only", "ATSS", "--rounds", "1", "--threads", "1", "--out", str(tmp_path)]) == 0
    content = results.read(results.newest(tmp_path))
    assert [row["method"] for row in content["cases"]] == ["ATSS"]
    assert not content["complete"]
    assert content["machine"]["omp_wait_policy"] == "passive"
    assert {"reference", "mmdet"} <= set(content["cases"][0]["arms"])
    assert "mmdet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("version",), 2),
        (("cases", 0, "arms", "native", "median"), 0.0),
        (("cases", 0, "arms", "native", "paths", "max_iou"), "magic"),
        (("cases", 0, "gates", 0, "differing"), -1),
        (("cases", 0, "surprise"), 1),
        (("machine", "commit"), ""),
        (("machine", "surprise"), 1),
        (("memory", 0, "failed"), "both a figure and a failure"),
        (("targets", 0, "sign"), ">"),
        (("floor", "arithmetic_ms"), 0.0),
    ],
    ids=str,
)
def test_the_schema_refuses(place, value):
    content = made.content()
    results.validate(content)
    at = content
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        results.validate(content)


def test_the_newest_file_is_found_and_none_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="found none; run"):
        results.newest(tmp_path)
    for name in ("cpu-20260102T030405", "cpu-20251202T030405", "gpu-20270101T000000"):
        (tmp_path / f"{name}.json").touch()
    assert results.newest(tmp_path).stem == "cpu-20260102T030405"


def test_targets_are_judged():
    found = {each["key"]: each for each in made.content()["targets"]}
    assert len(found) == len(TARGETS) == 34
    assert (found["paa_20"]["measured"], found["paa_20"]["reached"]) == (300.0, True)
    assert (found["mixture_20"]["measured"], found["mixture_20"]["reached"]) == (300.0, False)
    assert (found["floor"]["measured"], found["floor"]["reached"]) == (0.8, True)
    assert (found["growth_paa"]["measured"], found["growth_paa"]["reached"]) == (4.0, True)
    assert (found["memory_400"]["measured"], found["memory_400"]["reached"]) == (4.0, True)
    assert (found["memory_5000"]["measured"], found["memory_5000"]["reached"]) == (None, None)
    assert (found["overhead"]["measured"], found["overhead"]["reached"]) == (100.0, True)
    assert (found["threads"]["measured"], found["colad"]["measured"]) == (1.75, 1.0)


def test_the_lower_of_two_ratios_counts_and_both_must_be_there():
    content = made.content()
    rows = [row for row in content["cases"] if row["method"].startswith("MaxIoU") and row["objects"] == 20]
    rows[1]["ratio"] = 12.0
    target = next(each for each in TARGETS if each.key == "max_iou_20")
    assert target.measured(content) == 12.0
    rows[0]["ratio"] = None
    assert target.measured(content) is None


def test_the_page_shows_everything(tmp_path):
    source = results.write(tmp_path, made.content())
    target = page.write(source, tmp_path, {"floor": "The bound skips most terms."})
    text = target.read_text("utf-8")
    assert "mmdet takes 0.250 ms, ours (native) 1.00 ms" in text
    assert "mmdet: 7 differ without explanation: no figure" in text
    assert "The bound skips most terms." in text
    assert "MemoryError" in text
    assert "with 5,000 objects mmdet raises ValueError: components collapsed.\n" in text
    assert "`0123456789ab`" in text
    assert "{warning}" not in text
    assert "$" not in text
    pictures = re.findall(r"!\[(.*?)\]\((.*?)\)", text)
    assert len(pictures) == 3
    for _, path in pictures:
        drawn = (tmp_path / path).read_text("utf-8")
        assert "ms per call" in drawn or "MiB" in drawn
        assert "objects" in drawn or "priors" in drawn
    for line in (line for line in text.splitlines() if line.startswith("| ")):
        assert line.endswith(" |")


def test_every_row_of_a_table_has_the_columns_of_its_head(tmp_path):
    text = page.page(made.content(), "x.json", {}, {})
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        assert len({line.count("|") for line in block.strip().splitlines()}) == 1, block


def test_the_page_of_one_file_is_one_text_and_one_set_of_pictures(tmp_path):
    source = results.write(tmp_path, made.content())
    pages = [page.write(source, tmp_path / name, {}) for name in "ab"]
    first, second = ({f.name: f.read_bytes() for f in p.parent.rglob("*.*")} for p in pages)
    assert len(first) == 4
    assert first == second


def test_a_run_that_is_not_the_last_word_says_so():
    content = made.content()
    assert sections.warning(content) == ""
    content["machine"] |= {"dirty": True, "load_before": [2.0, 0.0, 0.0]}
    content["complete"] = False
    said = sections.warning(content)
    assert all(word in said for word in ("commit", "left comparisons out", "busy"))


def test_a_reason_for_no_target_is_an_error(tmp_path):
    path = tmp_path / "why.toml"
    assert page.reasons(path) == {}
    path.write_text('floor = "because"\nflor = "lost"\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"got \['flor'\]"):
        page.reasons(path)


def test_a_page_without_sections_is_a_page():
    content = made.content() | {"cases": [], "memory": [], "scaling": [], "overhead": {}, "floor": None, "targets": []}
    text = page.page(content, "x.json", {}, {})
    assert text.count("Not measured in this run.") == 3
    assert "Nowhere in this run." in text


def test_the_printed_table_shows_losses_and_red_rows(capsys):
    report.show(made.content())
    printed = re.sub(r"[\s│]+", " ", capsys.readouterr().out)
    assert "0.250" in printed
    assert "without" in printed
    assert "mmdet raises" in printed
    assert "not reached" in printed


def test_figures_keep_three_digits():
    shown = [report.number(value) for value in (None, 0.01234, 1.0, 12.345, 1234.5, 123.4, 0.0)]
    assert shown == ["–", "0.0123", "1.00", "12.3", "1,234", "123", "0.00"]


def test_a_file_that_the_schema_refuses_is_not_written(tmp_path):
    content = copy.deepcopy(made.content()) | {"unit": "parsecs"}
    with pytest.raises(jsonschema.ValidationError, match="parsecs"):
        results.write(tmp_path, content)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "cpu-1.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(jsonschema.ValidationError):
        results.read(tmp_path / "cpu-1.json")
