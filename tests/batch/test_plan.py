"""Plans: what is to be made, under which name, and what to do about what is there."""

from pathlib import Path

import pytest

from isp_ns.batch.job import Facts
from isp_ns.batch.plan import Plan, make_plan
from isp_ns.batch.settings import Layer, Settings
from isp_ns.batch.state import State, input_digest
from isp_ns.core.errors import OutputError, SettingsError

DEPTH_ENDS = ("_depth.tif", "_depth_preview.jpg")


@pytest.fixture
def card(tmp_path: Path) -> Path:
    for name in ("a.dng", "b.nef", "day/a.dng"):
        path = tmp_path / "card" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "card"


def plan(card: Path, *inputs: Path, output: Path | None = None, facts=None, **settings) -> Plan:
    asked = Settings().layered({"pipeline": "fast", **settings}, Layer.FLAG, "test")
    return make_plan(inputs or [card], output or card.parent / "out", asked, facts)


def outputs(made: Plan) -> list[str]:
    return [str(path.relative_to(made.folder)) for job in made.jobs for path in job.outputs.values()]


def finish(made: Plan) -> None:
    """Pretend that every job was done."""
    for job in made.jobs:
        for path in job.outputs.values():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"photo")
            source = job.source.path
            State(made.folder).add(path, source, input_digest(source), source.stat(), job.draft.digest)


def test_folders_are_mirrored(card):
    assert outputs(plan(card, recursive=True)) == ["a.jpg", "b.jpg", "day/a.jpg"]


def test_inputs_that_would_meet_get_their_extension(card):
    (card / "b.dng").write_bytes(b"")
    assert outputs(plan(card)) == ["a.jpg", "b_dng.jpg", "b_nef.jpg"]


def test_the_output_may_be_a_file_for_one_input(card, tmp_path):
    made = plan(card, card / "a.dng", output=tmp_path / "photo.tif")
    assert (made.folder, outputs(made)) == (tmp_path, ["photo.tif"])
    assert made.jobs[0].draft.formats["image"].name == "tiff"
    with pytest.raises(SettingsError, match="2 inputs"):
        plan(card, output=tmp_path / "photo.tif")
    with pytest.raises(SettingsError, match="the format is png"):
        plan(card, card / "a.dng", output=tmp_path / "photo.tif", format="png")


def test_a_folder_that_is_called_like_a_file_is_a_folder(card, tmp_path):
    (tmp_path / "photos.jpg").mkdir()
    assert outputs(plan(card, output=tmp_path / "photos.jpg")) == ["a.jpg", "b.jpg"]
    with pytest.raises(SettingsError, match="is a file"):
        plan(card, output=card / "b.nef")


def test_an_output_never_falls_on_an_input(card):
    with pytest.raises(OutputError, match="onto an input"):
        plan(card, output=card, format="dng")


def test_what_an_earlier_batch_made_is_no_input(card):
    finish(plan(card, output=card, name="{stem}_new.{ext}", format="dng"))
    assert (card / "a_new.dng").exists()
    assert outputs(plan(card, output=card, name="{stem}_new.{ext}", format="dng", on_exists="overwrite")) == [
        "a_new.dng",
        "b_new.dng",
    ]


def test_further_outputs_lie_beside_the_photo_and_are_checked_for_collisions(card):
    assert outputs(plan(card, outputs="image,depth")) == [
        f"{stem}{end}" for stem in "ab" for end in (".jpg", *DEPTH_ENDS)
    ]
    (card / "a_depth.dng").write_bytes(b"")
    with pytest.raises(OutputError, match="would be made of"):
        plan(card, outputs="image,depth", format="tiff")


def statuses(made: Plan) -> list[str]:
    return [record.status for record in made.settled] + ["todo"] * len(made.jobs)


def test_skip_leaves_what_is_there_and_counts_what_is_stale(card):
    finish(plan(card))
    assert statuses(plan(card)) == ["skipped", "skipped"]
    (card / "a.dng").write_bytes(b"another photo")
    assert statuses(plan(card)) == ["stale", "skipped"]
    assert statuses(plan(card, quality=50)) == ["stale", "stale"]


def test_if_changed_makes_anew_what_changed(card):
    finish(plan(card))
    assert statuses(plan(card, on_exists="if-changed")) == ["skipped", "skipped"]
    (card / "a.dng").write_bytes(b"another photo")
    assert statuses(plan(card, on_exists="if-changed")) == ["skipped", "todo"]
    (card.parent / "out" / "b.jpg").unlink()
    assert statuses(plan(card, on_exists="if-changed")) == ["todo", "todo"]


@pytest.mark.parametrize(
    "change",
    [
        {"pipeline": None},
        {"set": {"encode.space": "rec2020"}},
        {"wb": "daylight"},
        {"subsampling": "4:2:0"},
        {"orientation": "keep"},
        {"profile": "gopro-hero6-black"},
        {"raw": "8x8:8:RGGB"},
    ],
)
def test_everything_that_makes_a_picture_is_in_the_digest(card, change):
    finish(plan(card))
    assert "stale" in statuses(plan(card, **change))


def test_what_does_not_make_the_picture_is_not_in_the_digest(card):
    finish(plan(card))
    assert statuses(plan(card, jobs=3, tile=128, timeout=5, report="r.json")) == ["skipped", "skipped"]


def test_a_comment_in_a_pipeline_changes_nothing_but_a_number_does(card, tmp_path):
    text = "schema: 1\ninputs: {raw: sensor}\nnodes: {a: {stage: raw.black_level, in: raw}}\noutputs: {image: a}\n"
    mine = tmp_path / "mine.yaml"
    mine.write_text(text)
    finish(plan(card, pipeline=str(mine)))
    mine.write_text("# a remark\n" + text)
    assert statuses(plan(card, pipeline=str(mine))) == ["skipped", "skipped"]
    mine.write_text(text.replace("black_level", "gain_maps"))
    assert statuses(plan(card, pipeline=str(mine))) == ["stale", "stale"]


def test_files_of_unknown_origin_are_skipped_but_remade_by_if_changed(card):
    (card.parent / "out").mkdir()
    (card.parent / "out" / "a.jpg").write_bytes(b"by another program")
    assert statuses(plan(card)) == ["skipped", "todo"]
    assert statuses(plan(card, on_exists="if-changed")) == ["todo", "todo"]


def test_other_policies(card):
    finish(plan(card, outputs="image,depth"))
    assert statuses(plan(card, on_exists="overwrite")) == ["todo", "todo"]
    assert statuses(plan(card, on_exists="error")) == ["failed", "failed"]
    made = plan(card, on_exists="rename", outputs="image,depth")
    assert outputs(made) == [f"{stem}_1{end}" for stem in "ab" for end in (".jpg", *DEPTH_ENDS)]


def test_only_missing_outputs_are_made_where_a_photo_is_skipped(card):
    finish(plan(card))
    assert outputs(plan(card, outputs="image,depth")) == [f"{stem}{end}" for stem in "ab" for end in DEPTH_ENDS]


def test_names_from_metadata_ask_for_it_once_and_drop_what_cannot_be_read(card):
    def facts(items):
        assert [source.path.name for source, _ in items] == ["a.dng", "b.nef"]
        paths = [source.path for source, _ in items]
        return {paths[0]: Facts("bayer", {"iso": 800.0, "model": "X1"}), paths[1]: "no such codec"}

    made = plan(card, name="{camera}_{iso}.{ext}", facts=facts)
    assert outputs(made) == ["X1_800.jpg"]
    assert [(record.status, record.reason) for record in made.settled] == [("failed", "no such codec")]


def test_the_pipeline_in_a_name_follows_the_sensor(card):
    def facts(items):
        kinds = iter(["mono", "xtrans"])
        return {source.path: Facts(next(kinds), {}) for source, _ in items}

    made = plan(card, pipeline=None, name="{stem}_{graph}.{ext}", facts=facts)
    assert outputs(made) == ["a_classic.jpg", "b_libraw.jpg"]


def test_a_wrong_sidecar_fails_its_photo_only(card):
    (card / "a.dng.isp-ns.yaml").write_text("qality: 3")
    made = plan(card)
    assert outputs(made) == ["b.jpg"]
    assert "qality" in made.settled[0].reason


def test_a_sidecar_changes_the_name_and_the_digest_of_its_photo(card):
    plain = {job.source.path: job.draft.digest for job in plan(card).jobs}
    (card / "a.dng.isp-ns.yaml").write_text("format: png")
    made = plan(card)
    assert outputs(made) == ["a.png", "b.jpg"]
    assert [plain[job.source.path] == job.draft.digest for job in made.jobs] == [False, True]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"pipeline": "fats"}, "did you mean fast"),
        ({"patch": "nothing-of-the-sort"}, "no patch"),
        ({"profile": "nobody"}, "--profile"),
        ({"matrix": "dcp:/nowhere.dcp"}, "cannot be read"),
        ({"raw": "8x8"}, "--raw"),
        ({"output_space": "cmyk"}, "choose one of"),
        ({"pipeline": "libraw", "wb": "auto"}, "has no nodes"),
        ({"name": "{what}.{ext}"}, "no key"),
        ({"format": "png", "quality": 9}, "not an option of png"),
    ],
)
def test_mistakes_are_found_before_anything_is_decoded(card, settings, says):
    with pytest.raises(SettingsError, match=says):
        plan(card, **settings)
