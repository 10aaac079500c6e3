"""Comparisons from end to end."""

import html.parser
import json
import math
import shutil
import warnings

import numpy as np
import pytest
import skimage.metrics
from blurred import pipelines, scenes
from PIL import Image

from isp_ns.compare import compare
from isp_ns.core.errors import OutputError, SettingsError
from isp_ns.data.synth import synthesise
from isp_ns.io.raw import render_libraw

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import colour


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """A pipeline against itself blurred, two scenes at two sensitivities, with a page."""
    folder = tmp_path_factory.mktemp("compare")
    return compare(scenes(folder / "in"), pipelines(), folder / "page", simulate="fictitious-full-frame:100,400")


def test_a_pipeline_wins_against_itself_blurred(result):
    who, margin, cost = result.verdict
    assert who.answer == "sharp"
    means = {each.pipeline: each.means for each in result.summaries}
    lead = means["sharp"]["psnr_db"] - means["blurred"]["psnr_db"]
    assert lead > 1
    assert margin.answer == f"+{lead:.2f} dB over blurred"
    assert "4 of 4 pictures" in margin.detail
    assert "leads at every ISO" in margin.detail
    times = means["sharp"]["total_ms"] / means["blurred"]["total_ms"]
    assert cost.answer == f"sharp takes {times:.2g}× the time of blurred"


def test_a_comparison_without_a_page_writes_nothing(tmp_path):
    found = compare(scenes(tmp_path / "in", 1), pipelines(), simulate="fictitious-full-frame:100")
    assert found.folder is None
    assert found.exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_every_rendering_has_a_row_with_numbers(result):
    assert len(result.rows) == 8
    for row in result.rows:
        assert row.status == "done"
        assert (row.width_px, row.height_px) == (240, 200)
        assert row.offset_px == (0, 0)
        assert abs(row.exposure_gain_ev) < 0.05
        assert row.psnr_db >= row.psnr_db_as_rendered - 0.2
        assert None not in (row.ssim, row.ms_ssim, row.delta_e_2000, row.zipper, row.false_colour, row.noise_255)
        assert row.render_ms > 0
        assert row.peak_mb > 0
    assert {row.iso for row in result.rows} == {100.0, 400.0}
    noise = {(row.pipeline, row.scene, row.iso): row.noise_255 for row in result.rows}
    assert noise["sharp", "scene0", 400.0] > noise["sharp", "scene0", 100.0]
    nodes = next(row for row in result.rows if row.pipeline == "blurred").nodes
    assert {each["stage"] for each in nodes} >= {"demosaic.malvar", "blurred.gaussian"}


def test_the_json_document_is_complete_and_plain(result):
    document = json.loads((result.folder / "results.json").read_text(encoding="utf-8"))
    assert document["schema"] == 1
    assert set(document) == {"schema", "protocol", "verdict", "means", "rows"}
    wanted = {"domain", "range", "crop", "clip", "white_balance", "exposure", "geometry", "look", "time", "pipelines"}
    assert wanted <= set(document["protocol"])
    assert document["protocol"]["range"] == [0, 1]
    assert [each["pipeline"] for each in document["means"]] == ["sharp", "blurred"]
    assert len(document["rows"]) == 8


def test_the_markdown_has_the_verdict_and_a_table(result):
    text = (result.folder / "results.md").read_text(encoding="utf-8")
    assert "**Who wins?**" in text
    assert "| sharp | 4 |" in text
    assert "PSNR (dB)" in text


class Links(html.parser.HTMLParser):
    """Everything a page loads, and its identifiers."""

    def __init__(self):
        super().__init__()
        self.loaded, self.identifiers, self.events = [], [], []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("src", "href"):
                self.loaded.append(value)
            if name == "id":
                self.identifiers.append(value)
            if name.startswith("on") or name == "style":
                self.events.append((tag, name))


def test_the_page_is_self_contained(result):
    links = Links()
    links.feed((result.folder / "index.html").read_text(encoding="utf-8"))
    files = [link for link in links.loaded if not link.startswith(("#", "data:"))]
    assert files
    assert all((result.folder / link).is_file() for link in files)
    assert not links.events
    assert len(set(links.identifiers)) == len(links.identifiers)
    for name in ("base.css", "style.css", "page.js"):
        text = (result.folder / "assets" / name).read_text(encoding="utf-8")
        assert "http" not in text
        assert "@import" not in text


def page_data(folder):
    """What the script of a page is given."""
    text = (folder / "index.html").read_text(encoding="utf-8")
    return json.loads(text.partition('id="data">')[2].partition("</script>")[0])


def test_pictures_and_crops_are_there_and_lossless(result):
    data = page_data(result.folder)
    assert len(data["scenes"]) == 4
    scene = data["scenes"][0]
    assert set(scene["pictures"]) == {"sharp", "blurred", "truth"}
    assert set(scene["maps"]) == {"sharp", "blurred", "disagreement"}
    truth = np.asarray(Image.open(result.folder / scene["pictures"]["truth"]))
    assert truth.shape == (200, 240, 3)
    for crop in scene["crops"]:
        box = (slice(crop["y"], crop["y"] + crop["height"]), slice(crop["x"], crop["x"] + crop["width"]))
        np.testing.assert_array_equal(np.asarray(Image.open(result.folder / crop["files"]["truth"])), truth[box])


def test_truth_pictures_pair_with_raw_files_and_numbers_are_those_of_the_arrays(tmp_path):
    scenes(tmp_path / "truth", 1)
    (tmp_path / "raw").mkdir()
    synthesise(tmp_path / "truth" / "scene0.png", tmp_path / "raw" / "scene0.dng", iso=200)
    options = {"truth": tmp_path / "truth", "align": "none", "crop_px": 10}
    found = compare(tmp_path / "raw", ["libraw", "libraw:VNG"], tmp_path / "page", **options)
    told = page_data(found.folder)["scenes"][0]["numbers"]
    truth = np.asarray(Image.open(tmp_path / "truth" / "scene0.png"))[10:-10, 10:-10] / 255.0
    for row, algorithm in zip(found.rows, ("AHD", "VNG"), strict=True):
        image = render_libraw(tmp_path / "raw" / "scene0.dng", algorithm=algorithm).data.permute(1, 2, 0).numpy()
        image = image[10:-10, 10:-10].astype(np.float64)
        psnr = skimage.metrics.peak_signal_noise_ratio(truth, image, data_range=1.0)
        window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        ssim = skimage.metrics.structural_similarity(truth, image, channel_axis=2, data_range=1.0, **window)
        delta = colour.delta_E(*(colour.XYZ_to_Lab(colour.sRGB_to_XYZ(each)) for each in (truth, image))).mean()
        assert row.psnr_db == pytest.approx(psnr, abs=1e-3)
        assert row.ssim == pytest.approx(ssim, abs=1e-4)
        assert row.delta_e_2000 == pytest.approx(delta, rel=2e-3)
        assert row.exposure_gain_ev == 0.0
        assert told[row.pipeline].startswith(f"PSNR {row.psnr_db:.2f} dB · ΔE2000 {row.delta_e_2000:.2f}")


def test_an_exposure_error_is_aligned_away_and_told(tmp_path):
    found = compare(scenes(tmp_path / "in", 1), pipelines(), simulate="fictitious-full-frame:100:-2")
    sharp = found.rows[0]
    assert sharp.exposure_gain_ev == pytest.approx(2.0, abs=0.1)
    assert sharp.psnr_db > sharp.psnr_db_as_rendered + 5
    assert "-2 EV wrong" in found.protocol["truth"]


def test_without_a_truth_the_sharp_pipeline_is_called_sharper(tmp_path):
    y, x = np.mgrid[:240, :320]
    edge = 1 / (1 + np.exp(-((x - 160) + (y - 120) * math.tan(math.radians(6))) * 3))
    picture = (40 + 160 * edge)[..., None] * np.ones(3)
    (tmp_path / "in").mkdir()
    Image.fromarray(picture.round().astype(np.uint8)).save(tmp_path / "in" / "edge.png")
    synthesise(tmp_path / "in" / "edge.png", tmp_path / "edge.dng", iso=100)
    sharp, clean, cost = compare(tmp_path / "edge.dng", pipelines()).verdict
    assert sharp.answer == "sharp"
    assert clean.answer == "blurred"
    assert "quickest" in cost.answer


def test_what_fails_is_told_and_the_rest_is_compared(tmp_path):
    scenes(tmp_path / "truth", 1)
    raws = tmp_path / "raw"
    raws.mkdir()
    synthesise(tmp_path / "truth" / "scene0.png", raws / "a.dng")
    (raws / "b.dng").write_bytes((raws / "a.dng").read_bytes()[:5000])
    (raws / "c.nef").write_bytes(b"no raw file at all" * 100)
    found = compare(raws, {**pipelines(), "libraw": "libraw"}, tmp_path / "page")
    assert found.exit_code == 1
    assert {row.scene for row in found.failures} == {"b", "c"}
    assert all(row.reason for row in found.failures)
    assert "6 renderings could not be compared" in (tmp_path / "page" / "index.html").read_text(encoding="utf-8")


def test_a_stage_that_raises_costs_only_its_own_row(tmp_path):
    graph = pipelines()["sharp"]
    broken = graph.replace("ccm", space="linear-rec2020").patch(_breaking())
    found = compare(scenes(tmp_path / "in", 1), {"sharp": graph, "broken": broken}, simulate="fictitious-phone:100")
    assert [row.status for row in found.rows] == ["done", "failed"]
    assert "on purpose" in found.failures[0].reason
    assert "in node" in found.failures[0].reason
    assert found.verdict[0].answer == "Nobody"


def _breaking():
    from isp_ns.core.graph import Patch, node
    from isp_ns.core.ports import LinearRgb
    from isp_ns.core.stage import stage

    @stage("blurred.broken")
    def broken(rgb: LinearRgb) -> LinearRgb:
        raise ArithmeticError("on purpose")

    return Patch({"boom": node("blurred.broken", "ccm"), "encode": node("encode.display", "boom")})


def test_a_new_page_replaces_an_earlier_one_and_nothing_else(tmp_path):
    scenes(tmp_path / "in", 1)
    page, options = tmp_path / "page", {"simulate": "fictitious-full-frame:100"}
    compare(tmp_path / "in", pipelines(), page, **options)
    stale = page / "pictures" / "99"
    stale.mkdir()
    compare(tmp_path / "in", pipelines(), page, **options, pictures=0)
    assert not stale.exists()
    assert 'id="viewer"' not in (page / "index.html").read_text(encoding="utf-8")
    (page / "holiday.jpg").touch()
    with pytest.raises(OutputError, match="no earlier page"):
        compare(tmp_path / "in", pipelines(), page, **options)
    shutil.rmtree(page)


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        ([], {}, "at least one pipeline"),
        (["no-such"], {}, "no-such"),
        (["libraw:XYZ"], {}, "no demosaic XYZ"),
        (["libraw"], {"look": "pretty"}, "look is neutral or own"),
        (["libraw"], {"crop_px": -1}, "crop_px"),
        (["libraw"], {"simulate": "nonsense"}, "--simulate"),
        (["libraw"], {"simulate": "no-camera:100"}, "no-camera"),
    ],
)
def test_nonsense_is_refused_before_anything_is_done(tmp_path, names, options, message):
    scenes(tmp_path / "in", 1)
    with pytest.raises(SettingsError, match=message):
        compare(tmp_path / "in", names, tmp_path / "page", **{"simulate": "fictitious-phone:100", **options})
    assert not (tmp_path / "page").exists()


def test_a_renderer_of_ones_own_takes_part(tmp_path):
    class Own:
        name = "mine"
        settings = "LibRaw, bilinear"

        def check(self):
            pass

        def render(self, path):
            from isp_ns.compare.renderers import Rendering

            return Rendering(render_libraw(path, algorithm="LINEAR"), 0.0, 1.0, 0)

    scenes(tmp_path / "in", 1)
    found = compare(tmp_path / "in", [Own(), "libraw:LINEAR"], simulate="fictitious-full-frame:100")
    first, second = found.rows
    assert (first.pipeline, second.pipeline) == ("mine", "libraw:LINEAR")
    assert first.psnr_db == pytest.approx(second.psnr_db)
    assert found.verdict[0].answer == "No clear winner"
