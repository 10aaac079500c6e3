import pytest
import torch

from isp_ns.core.errors import MetadataError
from isp_ns.core.meta import Meta
from isp_ns.io.profile import load_profile, merge_profile, profile_from_yaml, profile_to_yaml
from isp_ns.io.raw import read_raw

FULL = """
schema: 1
camera: {make: Maker, model: Model 1}
fictitious: true
levels:
  - {iso: 3200, black: 520, white: [15000, 15100, 15200]}
  - {iso: 100, black: [[512, 513], [514, 515]], white: 16000}
noise:
  - {iso: 100, scale: [1.0e-4, 1.0e-4, 1.0e-4], offset: [1.0e-8, 1.0e-8, 0]}
  - {iso: 400, scale: [4.0e-4, 4.0e-4, 4.0e-4], offset: [4.0e-8, 1.0e-8, 1.0e-8]}
matrices:
  - {illuminant: A, color_matrix: [[1, 0, 0], [0, 1, 0], [0, 0, 0.5]]}
  - {cct_k: 6000, color_matrix: [[1, 0, 0], [0, 1, 0], [0, 0, 1]], forward_matrix: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}
shading: [[[1.2, 1.0], [1.0, 1.1]], [[1.0, 1.0], [1.0, 1.0]], [[1.3, 1.0], [1.0, 1.0]]]
defects: [[3, 4], [10, 20]]
provenance: {date: 2026-01-31, residuals: {ccm_delta_e: 1.5}}
"""


def test_reads_everything():
    profile = profile_from_yaml(FULL)
    assert (profile.make, profile.model, profile.fictitious) == ("Maker", "Model 1", True)
    assert [entry.iso for entry in profile.levels] == [100.0, 3200.0]
    assert [entry.cct_k for entry in profile.matrices] == [2850.0, 6000.0]
    assert profile.defects == ((3, 4), (10, 20))
    assert profile.provenance["residuals"] == {"ccm_delta_e": 1.5}


def test_round_trip_is_equality():
    profile = profile_from_yaml(FULL)
    assert profile_from_yaml(profile_to_yaml(profile)) == profile


def test_levels_of_the_nearest_iso():
    profile = profile_from_yaml(FULL)
    assert profile.levels_at(200).black == ((512.0, 513.0), (514.0, 515.0))
    assert profile.levels_at(6400).white == (15000.0, 15100.0, 15200.0)
    assert profile.levels_at(None).iso == 100


def test_noise_between_and_beyond_the_measured_isos():
    profile = profile_from_yaml(FULL)
    assert profile.noise_at(100).scale[0] == 1e-4
    assert profile.noise_at(200).scale == pytest.approx((2e-4,) * 3)
    assert profile.noise_at(200).offset == pytest.approx((2e-8, 1e-8, 0.5e-8))
    # Beyond, only the gain changes: signal and its variance per photon scale by g and g², DNG 1.4, NoiseProfile.
    assert profile.noise_at(1600).scale == pytest.approx((16e-4,) * 3)
    assert profile.noise_at(1600).offset[0] == pytest.approx(64e-8)
    assert profile.noise_at(50).offset[0] == pytest.approx(0.25e-8)


def test_merge_wins_and_says_so(make_dng, ramp, tmp_path):
    path = tmp_path / "camera.yaml"
    path.write_text(FULL)
    frame = read_raw(make_dng(ramp), profile=path)
    meta = frame.meta
    assert meta.black == ((512.0, 513.0), (514.0, 515.0))
    assert meta.white == (16000.0,)
    assert len(meta.calibrations) == 2
    assert meta.shading.shape == (3, 2, 2)
    assert torch.equal(meta.defects, torch.tensor([[3, 4], [10, 20]]))
    names = ("black", "white", "noise", "calibrations", "shading", "defects")
    assert {meta.source[name] for name in names} == {"profile"}
    assert meta.source["as_shot_neutral"] == "dng"


def test_an_empty_profile_changes_nothing():
    profile = profile_from_yaml("schema: 1\ncamera: {make: a, model: b}\n")
    meta = Meta(make="A", model="B", black=((3.0,),))
    assert merge_profile(meta, profile).black == ((3.0,),)
    assert profile.fits(meta)
    assert not profile.fits(Meta(make="A", model="C"))
    assert profile.noise_at(100) is None


def test_all_faults_with_their_lines():
    text = """schema: 2
camera: {make: Maker, colour: red}
levels:
  - {iso: 100, black: 512, white: 500}
  - {iso: fast, black: [[1, 2], [3]], white: 70000}
noise:
  - {iso: 100, scale: [1, 2], offset: [0, 0, 0]}
matrices:
  - {illuminant: D99, color_matrix: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}
  - {color_matrix: [[1, 0], [0, 1]]}
shading: [[[1.0]]]
defects: [[1], [2, -3]]
fancy: 1
"""
    with pytest.raises(MetadataError) as caught:
        profile_from_yaml(text, where="camera.yaml")
    message = str(caught.value)
    assert message.startswith("camera.yaml has ")
    for line, words in (
        (1, "schema 2 is not 1"),
        (2, "camera.colour is not known"),
        (2, "camera needs model"),
        (4, "levels.0.white is not above the black"),
        (5, "levels.1.iso must be a number"),
        (5, "levels.1.black must have rows of one length"),
        (5, "levels.1.white must be a number from 1 to 65535"),
        (7, "noise.0.scale must be a list of 3"),
        (9, "matrices.0.illuminant is none of"),
        (10, "matrices.1 needs either cct_k or illuminant"),
        (11, "shading must be 3 or 4 planes"),
        (12, "defects.0 must be a list of 2"),
        (12, "defects.1.1 must be a number"),
        (13, "fancy is not known"),
    ):
        assert any(f"line {line}: {words}" in each for each in message.splitlines()), words


@pytest.mark.parametrize("text", ["", "[1, 2]", "camera: [", "schema: 1\ncamera: 5"])
def test_what_is_no_profile(text):
    with pytest.raises(MetadataError):
        profile_from_yaml(text)


def test_names_are_shipped_profiles():
    with pytest.raises(FileNotFoundError):
        load_profile("no-such-camera")
