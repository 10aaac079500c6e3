"""The numbers of the fictitious cameras in `calibration/profiles/`: run it to see where each of them comes from.

    python data_tools/fictitious_cameras.py

Colour: Gaussian spectral sensitivities seen through an infrared cut, the 24 ColorChecker reflectances under two
lights, and the 3×3 matrices that fit best while white stays exact. Noise: electrons. Shading: a fall-off by radius.
"""

from dataclasses import dataclass

import colour
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WAVELENGTHS_NM = np.arange(400.0, 701.0, 5.0)
LIGHTS = {"StdA": "A", "D65": "D65"}


@dataclass(frozen=True)
class Sensor:
    """Peaks and widths (σ) of R, G, B in nm and their heights; electrons at white and of read noise around the gain."""

    peaks_nm: tuple[float, float, float]
    widths_nm: tuple[float, float, float]
    heights: tuple[float, float, float]
    base_iso: int
    full_well_e: float
    read_before_gain_e: float
    read_after_gain_e: float
    isos: tuple[int, ...]
    falloff_ev: tuple[float, float, float] = (0.0, 0.0, 0.0)


SENSORS = {
    "fictitious-full-frame": Sensor(
        peaks_nm=(600.0, 533.0, 458.0),
        widths_nm=(33.0, 38.0, 27.0),
        heights=(0.78, 1.0, 0.92),
        base_iso=100,
        full_well_e=71_000.0,
        read_before_gain_e=1.8,
        read_after_gain_e=5.0,
        isos=(100, 400, 1600, 6400, 25600),
    ),
    "fictitious-phone": Sensor(
        peaks_nm=(608.0, 528.0, 462.0),
        widths_nm=(28.0, 34.0, 26.0),
        heights=(0.85, 1.0, 0.85),
        base_iso=50,
        full_well_e=6_000.0,
        read_before_gain_e=1.6,
        read_after_gain_e=3.0,
        isos=(50, 200, 800, 3200),
        falloff_ev=(1.3, 1.2, 1.1),
    ),
}


def spectrum(distribution: colour.SpectralDistribution) -> Array:
    """A spectral distribution at `WAVELENGTHS_NM`."""
    return np.interp(WAVELENGTHS_NM, distribution.wavelengths, distribution.values)


def sensitivities(sensor: Sensor) -> Array:
    """(wavelengths, 3) responses of the sensor behind its infrared cut."""
    infrared_cut = 1.0 / (1.0 + np.exp((WAVELENGTHS_NM - 645.0) / 8.0))
    curves = [
        height * np.exp(-0.5 * ((WAVELENGTHS_NM - peak) / width) ** 2)
        for peak, width, height in zip(sensor.peaks_nm, sensor.widths_nm, sensor.heights, strict=True)
    ]
    return np.stack(curves, axis=1) * infrared_cut[:, None]


def chart(light: Array, curves: Array) -> tuple[Array, Array]:
    """The 24 patches and a perfect white, last, under a light: responses of three curves, and those of white."""
    patches = [spectrum(d) for d in colour.SDS_COLOURCHECKERS["ColorChecker N Ohta"].values()]
    responses = np.stack([*patches, np.ones_like(light)]) * light @ curves
    return responses[:-1], responses[-1]


def fit_with_white(source: Array, target: Array, white_in: Array, white_out: Array) -> Array:
    """The 3×3 matrix of least squares from source to target rows that takes white_in exactly to white_out."""
    system = np.block([[source.T @ source, white_in[:, None]], [white_in[None], np.zeros((1, 1))]])
    rows = [np.linalg.solve(system, np.append(source.T @ target[:, i], white_out[i]))[:3] for i in range(3)]
    return np.stack(rows)


def matrices(sensor: Sensor, light_name: str) -> tuple[Array, Array, Array]:
    """ColorMatrix, ForwardMatrix and the camera's neutral under a light."""
    light = spectrum(colour.SDS_ILLUMINANTS[light_name])
    observer = colour.MSDS_CMFS["CIE 1931 2 Degree Standard Observer"]
    matching = np.stack([np.interp(WAVELENGTHS_NM, observer.wavelengths, observer.values[:, i]) for i in range(3)], 1)
    xyz, xyz_white = chart(light, matching)
    xyz, xyz_white = xyz / xyz_white[1], xyz_white / xyz_white[1]
    camera, camera_white = chart(light, sensitivities(sensor))
    # Sensitivities are scaled so that green is 1 for white under this light.
    camera, neutral = camera / camera_white[1], camera_white / camera_white[1]
    color_matrix = fit_with_white(xyz, camera, xyz_white, neutral)
    d50 = np.array([0.9642, 1.0, 0.8251])
    adapt = colour.adaptation.matrix_chromatic_adaptation_VonKries(xyz_white, d50, transform="Bradford")
    forward_matrix = fit_with_white(camera / neutral, xyz @ adapt.T, np.ones(3), adapt @ xyz_white)
    return color_matrix, forward_matrix, neutral


def noise(sensor: Sensor, iso: int) -> tuple[float, float]:
    """Scale and offset of variance = scale · x + offset at an ISO, x being 1 at white."""
    gain = iso / sensor.base_iso
    electrons_at_white = sensor.full_well_e / gain
    read_e2 = sensor.read_before_gain_e**2 + (sensor.read_after_gain_e / gain) ** 2
    return 1.0 / electrons_at_white, read_e2 / electrons_at_white**2


def shading(sensor: Sensor, rows: int = 5, columns: int = 7) -> Array:
    """(3, rows, columns) gains that undo a loss of `falloff_ev` at the corners, growing with the radius squared."""
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    radius2 = (y**2 * 0.75**2 + x**2) / (1 + 0.75**2)
    return 2.0 ** (np.array(sensor.falloff_ev)[:, None, None] * radius2)


def main() -> None:
    """Print matrices, neutrals, noise and shading of every fictitious camera."""
    np.set_printoptions(precision=4, suppress=True, linewidth=120)
    for name, sensor in SENSORS.items():
        print(name)
        for label, light in LIGHTS.items():
            for kind, values in zip(("color", "forward", "neutral"), matrices(sensor, light), strict=True):
                print(f"  {label} {kind}: {np.array2string(values, separator=', ')}")
        for iso in sensor.isos:
            scale, offset = noise(sensor, iso)
            print(f"  iso {iso}: scale {scale:.3e} offset {offset:.3e}")
        if any(sensor.falloff_ev):
            print(np.array2string(shading(sensor), separator=", ", precision=3))


if __name__ == "__main__":
    main()
