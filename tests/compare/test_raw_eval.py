"""Scores on simulated RAW."""

import json

import numpy as np
import pytest
import skimage.data
import skimage.metrics
import torch

from isp_ns.compare.raw_eval import evaluate_raw
from isp_ns.compare.renderers import graph_of
from isp_ns.core.errors import SettingsError
from isp_ns.core.frame import Frame
from isp_ns.core.graph import Graph, node
from isp_ns.core.meta import Meta
from isp_ns.core.ports import Mosaic
from isp_ns.core.stage import stage
from isp_ns.data.simulate import Shooting, simulate
from isp_ns.io.estimates import with_estimates

SEEN: list[Meta] = []
CAMERA = "fictitious-full-frame"


@stage("rawtest.witness")
def witness(raw: Mosaic) -> Mosaic:
    SEEN.append(raw.meta)
    return raw


def pictures(count=2, size=(64, 72)):
    sources = (skimage.data.astronaut()[30:], skimage.data.coffee()[100:, 150:])
    cut = (np.ascontiguousarray(source[: size[0], 100 : 100 + size[1]]) for source in sources[:count])
    return [Frame(torch.from_numpy(each).permute(2, 0, 1)) for each in cut]


def graphs(*names):
    return dict(map(graph_of, names))


def score(pipelines, images, *arguments, **options):
    return evaluate_raw(pipelines, images, *arguments, workers=1, **options)


def encoded(linear):
    """IEC 61966-2-1, rounded to 8 bits, border cut."""
    linear = np.clip(inner(linear), 0, 1)
    return np.round(255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))


def inner(image):
    return image.double().numpy()[:, 8:-8, 8:-8]


def test_the_scores_are_those_of_scikit_image():
    _, fast = graph_of("fast")
    images = pictures()
    expected = []
    for seed, image in enumerate(images):
        shot = simulate(image.data / 255, CAMERA, iso=1600, seed=seed, shooting=Shooting(photons=True))
        run = fast.run(raw=shot.frame, want=["ccm", "image"])
        light, scene = (np.clip(inner(each), 0, 1) for each in (run["ccm"].data, shot.linear_rgb))
        picture, truth = inner(run["image"].data.int()), encoded(shot.linear_rgb)
        expected.append(
            (
                skimage.metrics.peak_signal_noise_ratio(scene, light, data_range=1),
                skimage.metrics.peak_signal_noise_ratio(truth, picture, data_range=255),
                skimage.metrics.structural_similarity(
                    truth, picture, data_range=255, channel_axis=0, gaussian_weights=True, use_sample_covariance=False
                ),
            )
        )
    (row,) = score({"fast": fast}, images, [CAMERA], [1600], noises=["true"])["rows"]
    got = [row[key] for key in ("psnr_linear_db", "psnr_rendered_db", "ssim_rendered")]
    np.testing.assert_allclose(got, np.mean(expected, axis=0), atol=1e-5)
    assert (row["camera"], row["iso"], row["pipeline"], row["noise"]) == (CAMERA, 1600.0, "fast", "true")
    assert (row["images"], row["not_estimated"]) == (2, 0)


def test_a_rising_iso_lowers_the_scores():
    rows = score(graphs("fast", "classic"), pictures(1), [CAMERA], [100, 1600, 25600], noises=["true"])["rows"]
    for name in ("fast", "classic"):
        ladder = [row for row in rows if row["pipeline"] == name]
        assert [row["iso"] for row in ladder] == [100, 1600, 25600]
        for key in ("psnr_linear_db", "ssim_linear", "psnr_rendered_db", "ssim_rendered"):
            assert ladder[0][key] > ladder[1][key] > ladder[2][key]
        for key in ("delta_e2000_linear", "delta_e2000"):
            # A denoiser that is told more noise also smooths false colours, so that small steps may go either way.
            assert max(ladder[0][key], ladder[1][key]) < ladder[2][key]
    high = {row["pipeline"]: row["psnr_linear_db"] for row in rows if row["iso"] == 25600}
    assert high["classic"] > high["fast"] + 3


def test_a_scene_without_detail_and_noise_is_developed_perfectly(tmp_path):
    """Any demosaicking is exact on a flat picture; what is left is the rounding of a converter of 16 bits."""
    (tmp_path / "quiet.yaml").write_text(
        "schema: 1\ncamera: {make: None, model: Quiet}\nlevels: [{iso: 100, black: 0, white: 65535}]\n"
        "noise: [{iso: 100, scale: [0, 0, 0], offset: [1.0e-12, 1.0e-12, 1.0e-12]}]\n"
        "matrices: [{illuminant: D65, color_matrix: [[0.6493, 0.0505, -0.1199], [-0.5848, 1.3274, 0.2096], "
        "[-0.0608, 0.0773, 0.6042]]}]\nprovenance: {procedure: invented}\n"
    )
    flat = [Frame(torch.tensor([0.3, 0.6, 0.5]).view(3, 1, 1).expand(3, 40, 40).contiguous())]
    camera = str(tmp_path / "quiet.yaml")
    rows = score(graphs("fast", "classic"), flat, [camera], [100], noises=["true"])["rows"]
    for row in rows:
        assert row["psnr_linear_db"] > 90
        assert row["psnr_rendered_db"] is None
        assert row["delta_e2000"] == 0
        assert row["ssim_rendered"] == pytest.approx(1)


def test_the_blind_pipeline_is_told_the_estimate_and_the_other_one_the_truth():
    nodes = {"level": node("raw.black_level", "raw"), "witness": node("rawtest.witness", "level")}
    nodes |= {"rgb": node("demosaic.malvar", "witness"), "ccm": node("colour.camera_to_linear", "rgb")}
    graph = Graph({"raw": "sensor"}, {**nodes, "encode": node("encode.display", "ccm")}, {"image": "encode"})
    SEEN.clear()
    (image,) = pictures(1, (200, 200))
    score({"mine": graph}, [image], [CAMERA], [6400])
    true, blind = SEEN
    assert (true.source["noise"], blind.source["noise"]) == ("profile", "estimate")
    shot = simulate(image.data / 255, CAMERA, iso=6400, shooting=Shooting(photons=True)).frame
    assert true.noise == shot.meta.noise
    assert blind.noise == with_estimates(shot.with_meta("user", noise=None)).meta.noise
    # Near the camera's own: sigma at mid-grey within a third.
    sigma = [np.sqrt(meta.noise[1][0] * 0.2 + meta.noise[1][1]) for meta in (true, blind)]
    assert sigma[1] == pytest.approx(sigma[0], rel=0.33)


def test_the_neural_space_takes_noise_away_and_what_reads_no_model_does_not_care():
    rows = score(graphs("classic+neural", "fast"), pictures(1), [CAMERA], [25600])["rows"]
    by_key = {(row["pipeline"], row["noise"]): row["psnr_linear_db"] for row in rows}
    assert len(by_key) == 4
    assert by_key["classic+neural", "true"] > by_key["fast", "true"] + 3
    assert by_key["fast", "true"] == by_key["fast", "blind"]


def test_the_result_is_json_with_its_protocol():
    told = []
    result = score(graphs("fast"), pictures(1), [CAMERA, CAMERA, "gopro-hero6-black"], [100, 200], tell=told.append)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["schema"] == 1
    assert {"domain", "range", "crop_px", "clip", "rounding", "seed", "noise", "told"} <= set(result["protocol"])
    assert result["protocol"]["light"] == {"fast": "ccm"}
    assert result["protocol"]["rendering"]["fast"].endswith("encode.display")
    assert len(result["rows"]) == 2 * 2 * 2
    assert {row["images"] for row in result["rows"]} == {1}
    assert told == [f"picture 1, {CAMERA}", "picture 1, gopro-hero6-black"]
    again = score(graphs("fast"), pictures(1), [CAMERA], [100, 200])
    assert again["rows"] == result["rows"][:4]


def test_what_cannot_be_scored_is_refused():
    fast = graphs("fast")
    with pytest.raises(SettingsError, match="at least one pipeline"):
        score({}, pictures(1), [CAMERA], [100])
    with pytest.raises(SettingsError, match="at least one picture"):
        score(fast, [], [CAMERA], [100])
    with pytest.raises(SettingsError, match="above 0, not 100, -1"):
        score(fast, pictures(1), [CAMERA], [100, -1])
    with pytest.raises(SettingsError, match="camera nokia"):
        score(fast, pictures(1), ["nokia"], [100])
    with pytest.raises(SettingsError, match="20×16 pixels"):
        score(fast, pictures(1, (16, 20)), [CAMERA], [100])
