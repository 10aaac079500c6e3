import itertools
from pathlib import Path

import pytest

from isp_ns.bench.meter import Measurement
from isp_ns.bench.processes import RunFailed, Workbench, measure_pairs, pairs, warm_up
from isp_ns.bench.programs import RIVALS, Program, Task, find_rivals, ours
from isp_ns.core.errors import SettingsError


def run(wall_s: float, *, cpu_s: float = 1.0, tree: int | None = 100, rss: int = 80) -> Measurement:
    return Measurement(wall_s, cpu_s, tree, rss, 0.0, 0, "")


def program(name: str, *command: str) -> Program:
    return Program(name, "1", "as it is", lambda _: list(command), lambda task: [task.target / "photo1.jpg"])


class FakeMeter:
    """Gives each program its own list of times, and keeps the order of the runs."""

    def __init__(self, **seconds: list[float]) -> None:
        self.seconds = {name: iter(values) for name, values in seconds.items()}
        self.order: list[str] = []

    def __call__(self, what: Program, photos: int) -> Measurement:
        self.order.append(what.name)
        seconds = next(self.seconds[what.name])
        if seconds < 0:
            raise RunFailed(f"{what.name} ended with status 1: out of ideas")
        return run(seconds, cpu_s=2 * seconds)


def measured(wanted, rivals, meter, *, missing=None, runs=3, photos=1):
    return measure_pairs(wanted, rivals, missing or {}, meter, photos=photos, runs=runs, tell=lambda _: None)


def test_pairs_alternate_and_ratios_are_by_pair():
    meter = FakeMeter(classic=[2.0, 6.0, 2.0], darktable=[4.0, 4.0, 1.0])
    (row,) = measured([("classic", "darktable")], {"darktable": program("darktable")}, meter)
    assert meter.order == ["classic", "darktable"] * 3
    assert row.ratios["wall"].values == (0.5, 1.5, 2.0)
    assert row.ratios["wall"].median == 1.5
    assert row.ratios["cpu"].values == (0.5, 1.5, 2.0)
    assert row.ratios["memory"].values == (1.0, 1.0, 1.0)
    assert (row.ours.wall_s.median, row.theirs.wall_s.median) == (2.0, 4.0)


def test_several_pairs_are_interleaved_run_by_run():
    meter = FakeMeter(fast=[1.0] * 4, classic=[2.0] * 2, dcraw_emu=[1.0] * 4, darktable=[4.0] * 2)
    rivals = {name: program(name) for name in ("dcraw_emu", "darktable")}
    measured([("fast", "dcraw_emu"), ("classic", "darktable")], rivals, meter, runs=2)
    assert meter.order == ["fast", "dcraw_emu", "classic", "darktable"] * 2


def test_a_missing_rival_is_named_and_skipped_and_the_others_are_measured():
    meter = FakeMeter(classic=[1.0], darktable=[2.0])
    wanted = [("classic", "rawtherapee"), ("classic", "darktable")]
    rows = measured(
        wanted,
        {"darktable": program("darktable")},
        meter,
        missing={"rawtherapee": "rawtherapee-cli is not installed"},
        runs=1,
    )
    assert [(row.rival, row.status) for row in rows] == [("rawtherapee", "skipped"), ("darktable", "done")]
    assert rows[0].reason == "rawtherapee-cli is not installed"


def test_a_program_that_fails_ends_its_own_pair_only():
    meter = FakeMeter(fast=[1.0, 1.0], dcraw_emu=[-1.0], classic=[1.0, 1.0], darktable=[2.0, 2.0])
    rivals = {name: program(name) for name in ("dcraw_emu", "darktable")}
    rows = measured([("fast", "dcraw_emu"), ("classic", "darktable")], rivals, meter, runs=2)
    assert [row.status for row in rows] == ["failed", "done"]
    assert "dcraw_emu ended with status 1: out of ideas" in rows[0].reason
    assert len(rows[1].ratios["wall"].values) == 2


def test_a_pipeline_without_a_rival_is_measured_alone():
    (row,) = measured([("fast", None)], {}, FakeMeter(fast=[1.0, 2.0, 3.0]))
    assert row.status == "done"
    assert row.ours.wall_s.median == 2.0
    assert row.theirs is None
    assert row.ratios == {}


def test_usual_matches_and_named_ones():
    assert pairs(["fast", "classic"], None) == [
        ("fast", "dcraw_emu"),
        ("classic", "darktable"),
        ("classic", "rawtherapee"),
    ]
    named = pairs(["fast", "classic"], ["darktable", "dcraw_emu"])
    assert named == list(itertools.product(["fast", "classic"], ["darktable", "dcraw_emu"]))
    assert pairs(["fast"], []) == [("fast", None)]


def test_rivals_that_are_not_installed_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    present, missing = find_rivals(list(RIVALS))
    assert present == {}
    assert missing["darktable"] == "darktable-cli is not installed"
    with pytest.raises(SettingsError, match="did you mean darktable"):
        find_rivals(["darktabel"])


def test_every_rival_gets_all_photos_in_one_process():
    task = Task((Path("/r/a.dng"), Path("/r/b.dng")), Path("/r"), Path("/t"), Path("/h"))
    one = Task(task.photos[:1], task.source, task.target, task.home)
    for name, rival in RIVALS.items():
        command = " ".join(rival.command(task))
        assert "/r/a.dng /r/b.dng" in command or "/r " in command + " ", name
        assert "/r/a.dng" in rival.command(one), name
        assert len(rival.results(task)) == 2, name
        assert len(rival.results(one)) == 1, name
    assert "--disable-opencl" in RIVALS["darktable"].command(one)
    assert "-p" in ours("classic").command(one)


def test_settings_of_the_user_do_not_reach_the_programs(monkeypatch, tmp_path):
    monkeypatch.setenv("ISP_NS_QUALITY", "10")
    assert "ISP_NS_QUALITY" not in ours("fast").environment(tmp_path)
    assert "PATH" in ours("fast").environment(tmp_path)


@pytest.fixture
def workbench(tmp_path):
    photo = tmp_path / "speed.dng"
    photo.write_bytes(b"counts")
    (tmp_path / "home").mkdir()
    return Workbench(photo, tmp_path / "home")


def test_the_workbench_hands_out_fresh_copies_and_keeps_nothing(workbench):
    seen: list[list[str]] = []

    def command(task: Task) -> list[str]:
        seen.append(sorted(path.name for path in task.source.iterdir()))
        assert all(path.read_bytes() == b"counts" for path in task.photos)
        assert not list(task.target.iterdir())
        return ["sh", "-c", f"echo done > {task.target}/photo1.jpg"]

    developer = Program("developer", "1", "", command, lambda task: [task.target / "photo1.jpg"])
    for photos in (1, 3):
        assert workbench.run(developer, photos).code == 0
    assert seen == [["photo1.dng"], ["photo1.dng", "photo2.dng", "photo3.dng"]]
    assert not list(workbench.home.iterdir())


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("sh", "-c", "echo no such lens; exit 4"), "ended with status 4: no such lens"),
        (("true",), "did not write photo1.jpg"),
        (("no-such-developer",), "cannot be started"),
    ],
)
def test_a_run_without_photos_is_no_measurement(workbench, command, says):
    with pytest.raises(RunFailed, match=says):
        workbench.run(program("developer", *command), 1)
    warm_up([program("developer", *command)], workbench.run, lambda _: None)
