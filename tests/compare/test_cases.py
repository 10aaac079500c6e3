"""Which photographs take part."""

import pytest
import skimage.data
from PIL import Image

from isp_ns.compare.cases import Simulation, find_files, plan_cases
from isp_ns.core.errors import SettingsError
from isp_ns.io.raw import read_raw


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fictitious-phone:100", Simulation("fictitious-phone", (100.0,))),
        ("fictitious-phone:100,1600,12800", Simulation("fictitious-phone", (100.0, 1600.0, 12800.0))),
        ("a/b:c.yaml:400:-2", Simulation("a/b:c.yaml", (400.0,), -2.0)),
        ("phone:50:+0.5", Simulation("phone", (50.0,), 0.5)),
    ],
)
def test_a_simulation_is_read_from_text(text, expected):
    assert Simulation.parse(text) == expected


@pytest.mark.parametrize("text", ["", "phone", "phone:", "phone:x", "phone:0", "phone:100,100", "phone:100:9"])
def test_nonsense_is_refused_and_told_how(text):
    with pytest.raises(SettingsError, match="--simulate"):
        Simulation.parse(text)


def test_a_camera_that_does_not_exist_is_refused_before_work():
    with pytest.raises(SettingsError, match="no-such-camera"):
        Simulation.parse("no-such-camera:100").check()


def test_folders_are_searched_for_raw_files_or_pictures(tmp_path):
    for name in ("b.DNG", "a.nef", ".hidden.dng", "picture.png", "sub/c.cr2", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in find_files([tmp_path])] == ["a.nef", "b.DNG"]
    assert [path.name for path in find_files([tmp_path], recursive=True)] == ["a.nef", "b.DNG", "c.cr2"]
    assert [path.name for path in find_files([tmp_path], images=True)] == ["picture.png"]
    twice = [tmp_path / "notes.txt", tmp_path / "b.DNG", tmp_path]
    assert [path.name for path in find_files(twice)] == ["notes.txt", "b.DNG", "a.nef"]
    with pytest.raises(SettingsError, match="there is no"):
        list(find_files([tmp_path / "absent"]))


def test_truths_pair_by_stem(tmp_path):
    for name in ("raw/a.dng", "raw/b.dng", "truth/a.png", "truth/b.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    cases = plan_cases([tmp_path / "raw"], truth=tmp_path / "truth")
    assert [(case.scene, case.truth.name) for case in cases] == [("a", "a.png"), ("b", "b.tif")]
    (tmp_path / "truth/a.jpg").touch()
    with pytest.raises(SettingsError, match="several pictures are called a"):
        plan_cases([tmp_path / "raw"], truth=tmp_path / "truth")
    (tmp_path / "raw/c.dng").touch()
    (tmp_path / "truth/a.jpg").unlink()
    with pytest.raises(SettingsError, match=r"no picture for c\.dng"):
        plan_cases([tmp_path / "raw"], truth=tmp_path / "truth")


def test_files_of_one_stem_keep_their_extensions(tmp_path):
    for name in ("a.dng", "a.nef", "b.dng"):
        (tmp_path / name).touch()
    assert [case.scene for case in plan_cases([tmp_path])] == ["a.dng", "a.nef", "b"]


def test_nothing_found_and_two_kinds_of_truth_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="no RAW files"):
        plan_cases([tmp_path])
    with pytest.raises(SettingsError, match="exclude each other"):
        plan_cases([tmp_path], truth=tmp_path, simulate=Simulation("fictitious-phone", (100.0,)))


def test_a_simulated_photograph_is_a_raw_file_of_that_camera(tmp_path):
    Image.fromarray(skimage.data.astronaut()[:64, :80]).save(tmp_path / "scene.png")
    simulation = Simulation("fictitious-phone", (100.0, 1600.0), exposure_ev=-1.0)
    cases = plan_cases([tmp_path], simulate=simulation)
    assert [(case.scene, case.iso) for case in cases] == [("scene", 100.0), ("scene", 1600.0)]
    assert all(case.truth == tmp_path / "scene.png" for case in cases)
    frame = read_raw(cases[1].raw_file(tmp_path))
    assert (frame.meta.iso, frame.size) == (1600.0, (64, 80))
