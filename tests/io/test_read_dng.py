"""What `read_raw` makes of DNGs that tifffile wrote: geometry, levels, colour, refusals."""

import struct

import numpy as np
import pytest
import rawpy
import tifffile
from tests_dng import (
    PATTERNS,
    blob,
    double,
    long,
    opcode,
    opcode_list,
    rational,
    short,
    srational,
)

from isp_ns.core.errors import DecodeError, UnsupportedSensorError
from isp_ns.io.decoded import DecodeOptions
from isp_ns.io.raw import inspect_raw, read_raw
from isp_ns.io.rawfile import decode_file


@pytest.mark.parametrize("cfa", list(PATTERNS))
def test_blacks_stay_where_they_are_in_every_phase(make_dng, ramp, cfa):
    path = make_dng(ramp, cfa=cfa, tags=[short(50713, 2, 2), short(50714, 100, 200, 300, 400), short(50717, 15000)])
    frame = read_raw(path)
    assert frame.meta.black == ((100.0, 200.0), (300.0, 400.0))
    assert frame.meta.white == (15000.0,)
    assert frame.cfa == cfa
    np.testing.assert_array_equal(frame.data.numpy()[0], ramp)


@pytest.mark.parametrize("cfa", list(PATTERNS))
@pytest.mark.parametrize("offset", [(0, 0), (3, 5), (2, 1), (1, 2)])
def test_odd_active_areas_are_cut_exactly(make_dng, ramp, cfa, offset):
    top, left = offset
    tags = [long(50829, top, left, 38, 57), short(50713, 2, 2), short(50714, 10, 20, 30, 40)]
    frame = read_raw(make_dng(ramp, cfa=cfa, tags=tags))
    np.testing.assert_array_equal(frame.data.numpy()[0], ramp[top:38, left:57])
    assert frame.cfa == cfa  # CFAPattern and BlackLevel begin at ActiveArea
    assert frame.meta.black == ((10.0, 20.0), (30.0, 40.0))


def test_black_pattern_of_four_by_four_and_fractions_survive(make_dng, ramp):
    values = [100.25 + index for index in range(16)]
    frame = read_raw(make_dng(ramp, tags=[short(50713, 4, 4), rational(50714, *values)]))
    np.testing.assert_allclose(np.ravel(frame.meta.black), values)


def test_black_deltas_belong_to_rows_and_columns(make_dng, ramp):
    rows, columns = np.arange(36) / 4, np.arange(50) / 8
    tags = [long(50829, 2, 4, 38, 54), srational(50716, *rows), srational(50715, *columns)]
    meta = read_raw(make_dng(ramp, tags=tags)).meta
    np.testing.assert_allclose(meta.black_rows.numpy(), rows, atol=1e-4)
    np.testing.assert_allclose(meta.black_columns.numpy(), columns, atol=1e-4)


def test_white_defaults_to_the_bits(make_dng, ramp):
    assert read_raw(make_dng(ramp)).meta.white == (65535.0,)
    assert read_raw(make_dng((ramp // 257).astype(np.uint8), name="eight.dng")).meta.white == (255.0,)


def test_impossible_white_falls_back(make_dng, ramp):
    frame = read_raw(make_dng(ramp, tags=[short(50714, 500), short(50717, 400)]))
    assert frame.meta.white == (65535.0,)


def test_levels_without_a_range_are_an_error(make_dng, ramp):
    with pytest.raises(DecodeError, match="not below its white level"):
        read_raw(make_dng(ramp, tags=[long(50714, 3758098440)]))


def test_linearisation_table_is_applied_once(make_dng):
    codes = np.arange(2400, dtype=np.uint16).reshape(40, 60) % 100
    table = (np.arange(100, dtype=np.uint32) ** 2 * 6).astype(np.uint16)
    tags = [short(50712, *table.tolist()), short(50717, int(table[-1]))]
    frame = read_raw(make_dng(codes, tags=tags))
    np.testing.assert_array_equal(frame.data.numpy()[0], table[codes])
    assert frame.meta.linearization is None
    assert frame.meta.white == (float(table[-1]),)


def test_plainly_stored_pixels_equal_libraw_and_tifffile(make_dng, ramp):
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 65536, (90, 120), dtype=np.uint16)
    for name, options in {"one": {"rowsperstrip": 90}, "many": {"rowsperstrip": 7}, "big": {"byteorder": ">"}}.items():
        path = make_dng(pixels, name=f"{name}.dng", tags=[long(50829, 2, 4, 88, 116)], **options)
        own = decode_file(path).pixels[0]
        with rawpy.imread(str(path)) as raw:
            np.testing.assert_array_equal(own, raw.raw_image[2:88, 4:116])
        np.testing.assert_array_equal(own, tifffile.imread(path)[2:88, 4:116])


def test_linear_dng_has_three_planes(make_dng):
    pixels = np.random.default_rng(2).integers(0, 60000, (40, 60, 3), dtype=np.uint16)
    for name, tags in {"plain": [], "table": [short(50712, *range(0, 60000))]}.items():
        frame = read_raw(make_dng(pixels, cfa=None, tags=tags, name=f"{name}.dng"))
        np.testing.assert_array_equal(frame.data.numpy(), pixels.transpose(2, 0, 1))
        assert frame.meta.cfa is None


def test_linear_planes_with_blacks_of_their_own_get_one_black(make_dng):
    pixels = np.full((20, 30, 3), 1000, np.uint16)
    tags = [short(50713, 1, 1), short(50714, 100, 120, 90), short(50717, 5000, 5100, 5200)]
    frame = read_raw(make_dng(pixels, cfa=None, tags=tags))
    black, white = frame.meta.black[0][0], np.array(frame.meta.white)
    signal = (frame.data.numpy()[:, 0, 0] - black) / (white - black)
    expected = (1000 - np.array([100, 120, 90])) / (np.array([5000, 5100, 5200]) - np.array([100, 120, 90]))
    np.testing.assert_allclose(signal, expected)


def test_monochrome_dng(make_dng, ramp):
    path = make_dng(ramp, cfa=None, colour=False, photometric=1)
    content = path.read_bytes()  # tifffile wants three samples for LinearRaw, so the photometric is set afterwards
    path.write_bytes(content.replace(struct.pack("<HHII", 262, 3, 1, 1), struct.pack("<HHII", 262, 3, 1, 34892)))
    frame = read_raw(path)
    np.testing.assert_array_equal(frame.data.numpy()[0], ramp)
    assert frame.meta.cfa is None
    assert inspect_raw(path).kind == "mono"
    assert inspect_raw(path).notes == ()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_noted_not_applied(make_dng, ramp, orientation):
    frame = read_raw(make_dng(ramp, tags=[short(274, orientation)]))
    assert frame.meta.orientation == orientation
    np.testing.assert_array_equal(frame.data.numpy()[0], ramp)


def test_colour_of_three_illuminants(make_dng, ramp):
    first, second, third = (np.eye(3) + 0.1 * index for index in range(3))
    # The third illuminant is "other", given by its chromaticity (D50): DNG 1.6, IlluminantData.
    illuminant = struct.pack("<H4I", 0, 34567, 100000, 35850, 100000)
    tags = [
        short(50778, 17),
        srational(50721, *first.ravel()),
        short(50779, 21),
        srational(50722, *second.ravel()),
        short(52529, 255),
        srational(52531, *third.ravel()),
        blob(52535, illuminant),
        srational(50965, *(second * 2).ravel()),
        rational(50727, 1.5, 1.0, 1.25),
        double(51041, 1e-4, 1e-7, 2e-4, 2e-7, 3e-4, 3e-7),
        srational(50730, -0.75),
        rational(50719, 2.0, 4.0),
        rational(50720, 50.0, 30.0),
        rational(50718, 1.5, 1.0),
    ]
    meta = read_raw(make_dng(ramp, tags=tags)).meta
    kelvin = [each.cct_k for each in meta.calibrations]
    assert kelvin[:2] == [2850.0, 6500.0]
    assert kelvin[2] == pytest.approx(5003, abs=15)
    np.testing.assert_allclose(meta.calibrations[2].color_matrix, third, atol=1e-4)
    np.testing.assert_allclose(meta.calibrations[1].forward_matrix, second * 2, atol=1e-4)
    assert meta.calibrations[0].forward_matrix is None
    assert meta.analog_balance == (1.5, 1.0, 1.25)
    assert meta.noise == ((1e-4, 1e-7), (2e-4, 2e-7), (3e-4, 3e-7))
    assert meta.baseline_exposure_ev == -0.75
    assert meta.default_crop == (4.0, 2.0, 34.0, 52.0)
    assert meta.pixel_aspect == 1.5
    assert meta.as_shot_neutral == pytest.approx((0.5, 1.0, 0.6))
    assert meta.source["calibrations"] == "dng"


def test_camera_calibration_needs_matching_signatures(make_dng, ramp):
    def signature(number, text):
        return number, "s", len(text) + 1, text, True

    matrix = srational(50723, *(np.eye(3) * 1.1).ravel())
    same = [matrix, signature(50931, "lab"), signature(50932, "lab")]
    other = [matrix, signature(50931, "lab"), signature(50932, "field")]
    assert read_raw(make_dng(ramp, tags=same)).meta.calibrations[0].camera_calibration is not None
    assert read_raw(make_dng(ramp, tags=other)).meta.calibrations[0].camera_calibration is None


def test_white_xy_excludes_a_made_up_neutral(make_dng, ramp):
    tags = [short(50778, 21), srational(50721, *np.eye(3).ravel()), rational(50729, 0.3457, 0.3585)]
    meta = read_raw(make_dng(ramp, colour=False, tags=tags)).meta
    assert meta.as_shot_white_xy == pytest.approx((0.3457, 0.3585))
    assert meta.as_shot_neutral is None


def test_daylight_neutral_is_the_matrix_times_d65(make_dng, ramp):
    meta = read_raw(make_dng(ramp)).meta
    expected = np.array(meta.calibrations[0].color_matrix) @ [0.95047, 1.0, 1.08883]
    np.testing.assert_allclose(meta.daylight_neutral, expected / expected[1])


def test_nothing_known_is_said(make_dng, ramp):
    zero = [srational(50721, *np.zeros(9)), rational(50728, 1.0, 1.0, 1.0)]
    decoded = inspect_raw(make_dng(ramp, tags=zero))
    assert decoded.sources["calibrations"] == decoded.sources["as_shot_neutral"] == "default"
    assert len(decoded.notes) == 2
    meta = decoded.meta()
    assert (meta.calibrations, meta.camera_to_srgb, meta.as_shot_neutral) == ((), None, None)


@pytest.mark.parametrize(
    ("tags", "word"),
    [
        ([short(33421, 4, 4), blob(33422, bytes([0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 2, 2, 1, 1, 2, 2]), 1)], "Quad-Bayer"),
        ([blob(33422, bytes([3, 5, 4, 1]), 1)], "CYMG"),
        ([blob(33422, bytes([0, 1, 2, 6]), 1)], "RGBW"),
        ([blob(33422, bytes([0, 0, 1, 2]), 1)], "RRGB"),
        ([short(50711, 2)], "staggered"),
        ([blob(50710, bytes([2, 1, 0]), 1)], "another order"),
    ],
)
def test_odd_sensors_are_refused_by_name(make_dng, ramp, tags, word):
    with pytest.raises(UnsupportedSensorError, match=word):
        read_raw(make_dng(ramp, tags=tags))


def test_xtrans_is_known_and_sent_to_libraw(make_dng, ramp):
    pattern = bytes(
        [1, 2, 1, 1, 0, 1, 0, 1, 0, 2, 1, 2, 1, 2, 1, 1, 0, 1, 1, 0, 1, 1, 2, 1, 2, 1, 2, 0, 1, 0, 1, 0, 1, 1, 2, 1]
    )
    path = make_dng(ramp[:36], tags=[short(33421, 6, 6), blob(33422, pattern, 1)])
    assert inspect_raw(path).kind == "xtrans"
    with pytest.raises(UnsupportedSensorError, match="X-Trans"):
        read_raw(path)


@pytest.mark.parametrize(("code", "word"), [(9, "VC-5"), (52546, "JPEG XL")])
def test_codecs_that_libraw_lacks_are_named(make_dng, ramp, code, word):
    path = make_dng(ramp)
    content = bytearray(path.read_bytes())
    place = content.index(struct.pack("<HHIH", 259, 3, 1, 1))
    content[place + 8 : place + 10] = struct.pack("<H", code)
    path.write_bytes(content)
    with pytest.raises(UnsupportedSensorError, match=word):
        read_raw(path)


@pytest.mark.parametrize("code", [13, 14])
def test_nikon_high_efficiency_is_named(tmp_path, code):
    note = b"Nikon\0\2\x11\0\0" + b"II*\0" + struct.pack("<IHHHII", 8, 1, 0x93, 3, 1, code) + bytes(4)
    exif = struct.pack("<HHHII", 1, 37500, 7, len(note), 44) + bytes(4)
    ifd0 = struct.pack("<HHHII", 1, 34665, 4, 1, 26) + bytes(4)
    path = tmp_path / "z9.nef"
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + ifd0 + exif + note)
    with pytest.raises(UnsupportedSensorError, match="High Efficiency"):
        read_raw(path)


def test_size_limit_comes_before_memory(make_dng, ramp):
    with pytest.raises(DecodeError, match=r"60x40 pixels .* max_pixels"):
        read_raw(make_dng(ramp), max_pixels=2399)
    assert read_raw(make_dng(ramp), max_pixels=2400).size == (40, 60)


def test_cut_short_says_where(make_dng, ramp):
    path = make_dng(ramp)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DecodeError, match="cut short"):
        read_raw(path)


def gain_map(area, pitch, gains, plane=0, planes=1):
    rows, columns, map_planes = gains.shape
    head = struct.pack(">10I4dI", *area, plane, planes, *pitch, rows, columns, 0.5, 0.25, 0.0, 0.0, map_planes)
    return opcode(9, head + gains.astype(">f4").tobytes())


def test_gain_maps_of_list_two(make_dng, ramp):
    gains = np.linspace(1, 2, 15, dtype=np.float32).reshape(3, 5, 1)
    tags = [blob(51009, opcode_list(gain_map((0, 1, 40, 60), (2, 2), gains)))]
    (found,) = read_raw(make_dng(ramp, tags=tags)).meta.gain_maps
    assert (found.area, found.pitch, found.spacing, found.origin) == ((0, 1, 40, 60), (2, 2), (0.5, 0.25), (0.0, 0.0))
    np.testing.assert_array_equal(found.gains.numpy(), gains)


def test_gain_map_of_list_three_goes_to_the_places_of_its_colour(make_dng, ramp):
    gains = np.stack([np.full((2, 2), value, np.float32) for value in (1.1, 1.2, 1.3)], axis=2)
    tags = [blob(51022, opcode_list(gain_map((0, 0, 40, 60), (1, 1), gains, 0, 3)))]
    maps = read_raw(make_dng(ramp, cfa="GBRG", tags=tags)).meta.gain_maps
    by_place = {each.area[:2]: float(each.gains[0, 0, 0]) for each in maps}
    assert by_place == pytest.approx({(0, 0): 1.2, (0, 1): 1.3, (1, 0): 1.1, (1, 1): 1.2})


def test_vignette_becomes_a_gain_map(make_dng, ramp):
    k = (0.3, -0.1, 0.05, 0.0, 0.0)
    tags = [blob(51022, opcode_list(opcode(3, struct.pack(">7d", *k, 0.5, 0.5))))]
    (found,) = read_raw(make_dng(ramp, tags=tags)).meta.gain_maps
    gains = found.gains.numpy()[:, :, 0]
    assert gains[32, 32] == pytest.approx(1.0)
    assert gains[0, 0] == pytest.approx(1 + sum(k))  # the farthest corner has r = 1
    half = (30 / np.hypot(20, 30)) ** 2
    assert gains[32, 0] == pytest.approx(1 + sum(c * half ** (n + 1) for n, c in enumerate(k)), rel=1e-6)


def test_warp_and_bad_pixels(make_dng, ramp):
    warp = opcode(1, struct.pack(">I6d2d", 1, 1.0, 0.1, 0.0, 0.0, 0.01, 0.02, 0.4, 0.6))
    listed = opcode(5, struct.pack(">3I2I4I", 1, 1, 1, 12, 15, 4, 6, 6, 7))
    constant = opcode(4, struct.pack(">2I", int(ramp[20, 30]), 0))
    area = long(50829, 2, 4, 40, 60)
    tags = [area, blob(51022, opcode_list(warp)), blob(51008, opcode_list(listed, constant))]
    meta = read_raw(make_dng(ramp, tags=tags)).meta
    assert meta.warp.coefficients == ((1.0, 0.1, 0.0, 0.0, 0.01, 0.02),)
    assert meta.warp.centre == (0.6, 0.4)
    assert meta.defects.tolist() == [[2, 2], [3, 2], [10, 11], [18, 26]]


def test_unknown_opcodes_are_refused_unless_optional(make_dng, ramp):
    needed = [blob(51009, opcode_list(opcode(8, bytes(24))))]
    with pytest.raises(UnsupportedSensorError, match="MapPolynomial"):
        read_raw(make_dng(ramp, tags=needed))
    optional = [blob(51022, opcode_list(opcode(2, bytes(24), optional=True), opcode(77, b"", optional=True)))]
    notes = inspect_raw(make_dng(ramp, tags=optional)).notes
    assert any("WarpFisheye" in note for note in notes)
    assert any("opcode 77" in note for note in notes)


def test_damaged_opcodes_are_an_error(make_dng, ramp):
    for tags in ([blob(51009, opcode_list(opcode(9, bytes(20))))], [blob(51009, b"\0\0\0\5abc")]):
        with pytest.raises(DecodeError, match=r"damaged|cut short"):
            read_raw(make_dng(ramp, tags=tags))


def test_metadata_without_pixels(make_dng, ramp):
    decoded = decode_file(make_dng(ramp), DecodeOptions(pixels=False))
    assert decoded.pixels is None
    assert decoded.size == (40, 60)
    with pytest.raises(DecodeError, match="metadata only"):
        decoded.frame()


def test_a_layout_is_not_used_for_a_file_with_a_header(make_dng, ramp):
    decoded = inspect_raw(make_dng(ramp), raw="8x6:10:RGGB")
    assert decoded.size == (40, 60)
    assert any("layout is not used" in note for note in decoded.notes)


def test_names_that_are_not_unicode(make_dng, ramp, tmp_path):
    named = make_dng(ramp, colour=False).rename(tmp_path / "photo \udcff ü.dng")
    np.testing.assert_array_equal(read_raw(named).data.numpy()[0], ramp)
