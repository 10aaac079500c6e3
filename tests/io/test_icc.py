import io
import struct
import warnings

import numpy as np
import pytest
from PIL import Image, ImageCms

from isp_ns.io.icc import icc_profile, recognise_icc
from isp_ns.ops.spaces import SPACES

REFERENCE = {
    "srgb": "sRGB",
    "display-p3": "Display P3",
    "rec2020": "ITU-R BT.2020",
    "prophoto": "ROMM RGB",
    "aces": "ACES2065-1",
    "acescg": "ACEScg",
}


@pytest.fixture(scope="module")
def colour():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import colour
    return colour


def tags_of(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = [struct.unpack_from(">4sII", profile, 132 + 12 * index) for index in range(count)]
    return {name: profile[offset : offset + size] for name, offset, size in entries}


def fixed(body: bytes, offset: int, count: int) -> np.ndarray:
    return np.frombuffer(body, ">i4", count, offset) / 65536


@pytest.mark.parametrize("space", list(SPACES))
def test_profile_is_well_formed(space):
    profile = icc_profile(space)
    assert struct.unpack_from(">I", profile)[0] == len(profile)
    assert profile[36:40] == b"acsp"
    assert all(offset % 4 == 0 for _, offset, _ in struct.iter_unpack(">4sII", profile[132 : 132 + 12 * 10]))
    opened = ImageCms.getOpenProfile(io.BytesIO(profile))
    assert ImageCms.getProfileDescription(opened).strip() == f"isp_ns {space}"
    assert profile == icc_profile(space)


@pytest.mark.parametrize("space", list(SPACES))
def test_colorants_and_white_are_those_of_the_standards(space, colour):
    tags = tags_of(icc_profile(space))
    columns = np.stack([fixed(tags[name], 8, 3) for name in (b"rXYZ", b"gXYZ", b"bXYZ")], axis=1)
    np.testing.assert_array_equal(columns.sum(axis=1), fixed(tags[b"wtpt"], 8, 3))
    reference = colour.RGB_COLOURSPACES[REFERENCE[space.removeprefix("linear-")]]
    white = colour.xy_to_XYZ(reference.whitepoint)
    adapt = colour.adaptation.matrix_chromatic_adaptation_VonKries(white, [0.9642, 1.0, 0.8249], transform="Bradford")
    derived = colour.normalised_primary_matrix(reference.primaries, reference.whitepoint)
    np.testing.assert_allclose(columns, adapt @ derived, atol=1e-4)


@pytest.mark.parametrize("space", [name for name in SPACES if SPACES[name].transfer != "linear"])
def test_curve_decodes_as_the_standard_does(space, colour):
    g, a, b, c, d = fixed(tags_of(icc_profile(space))[b"rTRC"], 12, 5)
    encoded = np.linspace(0, 1, 101)
    decoded = np.where(encoded >= d, np.maximum(a * encoded + b, 0) ** g, c * encoded)
    reference = colour.RGB_COLOURSPACES[REFERENCE[space]]
    np.testing.assert_allclose(decoded, reference.cctf_decoding(encoded), atol=2e-4)


def test_srgb_profile_equals_littlecms_own():
    patches = np.random.default_rng(3).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    own, theirs = ImageCms.getOpenProfile(io.BytesIO(icc_profile("srgb"))), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(Image.fromarray(patches), own, theirs)
    np.testing.assert_allclose(np.asarray(converted), patches, atol=1)


def test_p3_red_is_beyond_srgb():
    red = Image.fromarray(np.full((2, 2, 3), (234, 51, 35), np.uint8))  # sRGB red written in Display P3 coordinates
    p3 = ImageCms.getOpenProfile(io.BytesIO(icc_profile("display-p3")))
    converted = np.asarray(ImageCms.profileToProfile(red, p3, ImageCms.createProfile("sRGB")))[0, 0]
    np.testing.assert_allclose(converted, (255, 0, 0), atol=2)


def test_grey_profile_has_a_curve_and_no_colorants():
    profile = icc_profile("srgb", grey=True)
    tags = tags_of(profile)
    assert profile[16:20] == b"GRAY"
    assert b"kTRC" in tags
    assert b"rXYZ" not in tags
    ImageCms.getOpenProfile(io.BytesIO(profile))


@pytest.mark.parametrize("space", list(SPACES))
def test_own_profiles_are_recognised(space):
    assert recognise_icc(icc_profile(space)) == space


def test_foreign_profiles(tmp_path):
    assert recognise_icc(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()) == "srgb"
    assert recognise_icc(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()) is None
    assert recognise_icc(b"") is None
    assert recognise_icc(icc_profile("srgb")[:200]) is None


def test_unknown_space_lists_the_names():
    with pytest.raises(ValueError, match="display-p3"):
        icc_profile("adobe")
