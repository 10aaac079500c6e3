"""Layers of settings, and what they mean for formats and nodes."""

import pytest

from isp_ns.batch.formats import file_format
from isp_ns.batch.layers import with_environment, with_file, with_sidecar
from isp_ns.batch.options import parse_matrix, tweaks
from isp_ns.batch.scan import Source
from isp_ns.batch.settings import Layer, Settings
from isp_ns.core.errors import SettingsError


def flags(**values) -> Settings:
    return Settings().layered(values, Layer.FLAG, "flag")


def test_layers_win_by_rank_and_not_by_the_order_they_are_read_in(tmp_path):
    config = tmp_path / "isp-ns.yaml"
    config.write_text("quality: 50\nwb: daylight\non-exists: overwrite\nset: {tone: {contrast: 1.1, pivot: 2}}\n")
    photo = tmp_path / "a.dng"
    photo.write_bytes(b"")
    (tmp_path / "a.dng.isp-ns.yaml").write_text("quality: 70\nsubsampling: 4:2:0\nset: {tone.contrast: 1.3}\n")
    asked = with_environment(with_file(flags(subsampling="4:2:2"), config), {"ISP_NS_QUALITY": "60", "ISP_NS_X": "?"})
    assert (asked.quality, asked.subsampling, asked.wb, asked.on_exists) == (60, "4:2:2", "daylight", "overwrite")
    own = with_sidecar(asked, Source(photo))
    assert (own.quality, own.subsampling) == (70, "4:2:2")
    assert own.set == {"tone.contrast": 1.3, "tone.pivot": 2}
    assert own.origin("quality").label == str(tmp_path / "a.dng.isp-ns.yaml")
    assert own.origin("subsampling").layer is Layer.FLAG
    assert own.origin("jobs").label == "default"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("qality: 5", "no setting qality; did you mean quality"),
        ("quality: 101", "lies between 1 and 100"),
        ("quality: high", "takes a number"),
        ("on_exists: maybe", "is one of skip"),
        ("recursive: perhaps", "yes or no"),
        ("set: {contrast: 1}", "node.parameter"),
        ("- a", "is a mapping"),
        ("a: [", "isp-ns.yaml"),
    ],
)
def test_mistakes_in_a_file_are_named_with_the_file(tmp_path, text, says):
    path = tmp_path / "isp-ns.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=says) as caught:
        with_file(Settings(), path)
    assert str(path) in str(caught.value)


def test_all_mistakes_are_told_at_once():
    with pytest.raises(SettingsError, match=r"quality.*tile"):
        flags(quality=0, tile=1)


def test_a_sidecar_is_about_its_photo_only(tmp_path):
    (tmp_path / "a.dng").write_bytes(b"")
    (tmp_path / "a.dng.isp-ns.yaml").write_text("jobs: 4")
    with pytest.raises(SettingsError, match="of the whole batch"):
        with_sidecar(Settings(), Source(tmp_path / "a.dng"))


def test_environment_texts_become_values():
    asked = with_environment(
        Settings(), {"ISP_NS_EXT": "dng, cr2", "ISP_NS_RECURSIVE": "1", "ISP_NS_SET": "a.b=[1, 2]"}
    )
    assert (asked.ext, asked.recursive, asked.set) == (("dng", "cr2"), True, {"a.b": [1, 2]})


def test_an_option_that_a_format_lacks_is_a_contradiction_only_where_it_is_meant(tmp_path):
    with pytest.raises(SettingsError, match="quality is not an option of tiff"):
        file_format(flags(format="tiff", quality=90))
    with pytest.raises(SettingsError, match="jpeg files hold 8 bits"):
        file_format(flags(bit_depth="16"))
    config = tmp_path / "c.yaml"
    config.write_text("quality: 90\nbit_depth: 8\n")
    exr = file_format(with_file(flags(format="exr"), config))
    assert (exr.quality, exr.bit_depth, exr.pixel_bits) == (None, "16f", 32)


def test_depth_and_labels_have_formats_of_their_own():
    assert file_format(flags(format="png"), "depth").ext == "tif"
    assert file_format(flags(), "labels").ext == "png"
    assert file_format(flags(), "other").ext == "jpg"


@pytest.mark.parametrize(
    ("wb", "stage", "params"),
    [
        ("as-shot", "measure.as_shot", {}),
        ("auto", "measure.shades_of_grey", {}),
        ("kelvin:5200", "measure.kelvin", {"cct_k": 5200.0, "tint": 0.0}),
        ("kelvin:5200:-8", "measure.kelvin", {"cct_k": 5200.0, "tint": -8.0}),
        ("gains:2,1,1.5", "measure.gains", {"red": 2.0, "green": 1.0, "blue": 1.5}),
        ("box:10,20,30,40", "measure.box", {"top": 20, "left": 10, "height": 40, "width": 30}),
    ],
)
def test_white_balance_modes(wb, stage, params):
    from isp_ns.core.registry import find_spec

    (tweak,) = tweaks(flags(wb=wb))
    assert (tweak.node, tweak.stage, dict(tweak.params)) == ("awb", stage, params)
    assert find_spec(stage).bind(params)[1] == []


@pytest.mark.parametrize("wb", ["tungsten", "kelvin", "kelvin:9", "gains:1,2", "gains:1,0,1", "box:1,2", "auto:3"])
def test_wrong_white_balances_are_refused(wb):
    with pytest.raises(SettingsError, match="--wb"):
        tweaks(flags(wb=wb))


def test_matrices_keep_grey_grey():
    assert parse_matrix("1,0,0,0,1,0,0,0,1") == ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    assert parse_matrix("dcp:x.dcp") is None
    for wrong in ("1,2,3", "a", "2,0,0,0,1,0,0,0,1"):
        with pytest.raises(SettingsError, match="sum to 1"):
            parse_matrix(wrong)
