"""The demonstration behind `make demo`: raw files, photos, and a contact sheet of both, all in one folder.

    python -m examples.demo FOLDER

Photographs that scikit-image carries are photographed again by simulated cameras, as DNG files; `isp-ns process`
develops the folder with the neural space and with the classical pipeline; the sheet shows the middle of each photo,
pixel by pixel, beside the picture that went in.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image, ImageDraw, ImageFont

from isp_ns.data.simulate import Shooting
from isp_ns.data.synth import synthesise
from isp_ns.io.profile import load_profile

ENLARGEMENT = 1.5
PICTURE_PX, GAP_PX, LINE_PX = (400, 300), 12, 26
PIPELINES = {"neural": "photos", "classic": "classic"}
"""Pipelines of the sheet, and the folders of their photos."""
COLUMNS = 2
PAPER, INK, FAINT = (250, 250, 248), (30, 30, 30), (110, 110, 110)


@dataclass(frozen=True)
class DemoShot:
    """One photograph to take."""

    photo: str
    camera: str
    iso: int
    cfa: str
    shooting: Shooting = field(default_factory=Shooting)

    @property
    def stem(self) -> str:
        return f"{self.photo}_{self.camera}_iso{self.iso}_{self.cfa}"

    @property
    def label(self) -> str:
        name = self.photo.split("_")[0]
        return f"{name}: {load_profile(self.camera).model}, ISO {self.iso}, {self.cfa}"


SHOTS = (
    DemoShot("astronaut", "fictitious-full-frame", 100, "RGGB"),
    DemoShot("astronaut", "fictitious-phone", 400, "GBRG", Shooting(orientation=6)),
    DemoShot("coffee", "canon-powershot-s40", 50, "BGGR"),
    DemoShot(
        "coffee", "fictitious-full-frame", 1600, "GRBG", Shooting(cct_k=3400.0, highlight_ev=1.0, headroom_ev=0.5)
    ),
    DemoShot("chelsea", "fictitious-phone", 100, "GRBG"),
    DemoShot("chelsea", "gopro-hero6-black", 200, "RGGB", Shooting(cct_k=6500.0)),
    DemoShot("rocket", "fictitious-full-frame", 6400, "GBRG", Shooting(cct_k=4200.0)),
    DemoShot("hubble_deep_field", "fictitious-full-frame", 3200, "BGGR"),
)


def original(shot: DemoShot) -> Image.Image:
    """The picture that is photographed, enlarged, because pixel by pixel a camera is softer than a finished picture."""
    picture = Image.fromarray(np.asarray(getattr(skimage.data, shot.photo)()))
    size = round(ENLARGEMENT * picture.width), round(ENLARGEMENT * picture.height)
    return picture.resize(size, Image.Resampling.LANCZOS)


def take_photographs(folder: Path) -> None:
    """Write a DNG file for every shot."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, shot in enumerate(SHOTS):
        picture = folder / f"{shot.stem}.png"
        original(shot).save(picture)
        options = {"camera": shot.camera, "iso": shot.iso, "cfa": shot.cfa, "shooting": shot.shooting}
        synthesise(picture, folder / f"{shot.stem}.dng", seed=seed, **options)
        picture.unlink()


def develop(raw: Path, photos: Path, pipeline: str) -> None:
    """Run `isp-ns process` as a user would."""
    command = shutil.which("isp-ns", path=str(Path(sys.executable).parent)) or "isp-ns"
    arguments = ["process", str(raw), "-o", str(photos), "-p", pipeline, "--on-exists", "if-changed"]
    print("$ isp-ns", *arguments, flush=True)
    subprocess.run([command, *arguments], check=True)


def middle(picture: Image.Image) -> Image.Image:
    """The middle of a picture, pixel by pixel."""
    width, height = PICTURE_PX
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.convert("RGB").crop((left, top, left + width, top + height))


def strip(folder: Path, shot: DemoShot) -> Image.Image:
    """What each pipeline made of a shot, and its original, with what took it written below."""
    parts = {}
    for name, photos in PIPELINES.items():
        with Image.open(folder / photos / f"{shot.stem}.jpg") as photo:
            parts[name] = middle(photo)
    parts["what went in"] = middle(original(shot))
    width, height = PICTURE_PX
    image = Image.new("RGB", (len(parts) * (width + GAP_PX) - GAP_PX, height + 2 * LINE_PX + GAP_PX), PAPER)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=18)
    for i, (name, part) in enumerate(parts.items()):
        left = i * (width + GAP_PX)
        image.paste(part, (left, 0))
        draw.text((left, height + 4), name, fill=FAINT, font=font)
    draw.text((0, height + 4 + LINE_PX), shot.label, fill=INK, font=font)
    return image


def contact_sheet(folder: Path, target: Path) -> None:
    """Every photo beside its original."""
    strips = [strip(folder, shot) for shot in SHOTS]
    rows = [strips[i : i + COLUMNS] for i in range(0, len(strips), COLUMNS)]
    heights = [max(image.height for image in row) + GAP_PX for row in rows]
    pitch = strips[0].width + 3 * GAP_PX
    sheet = Image.new("RGB", (COLUMNS * pitch + 3 * GAP_PX, sum(heights) + 3 * GAP_PX), PAPER)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            sheet.paste(image, (3 * GAP_PX + j * pitch, 3 * GAP_PX + sum(heights[:i])))
    sheet.save(target, quality=92)


def main(folder: Path) -> None:
    raw, sheet = folder / "raw", folder / "contact_sheet.jpg"
    take_photographs(raw)
    print(f"{len(SHOTS)} raw files of simulated cameras are in {raw}")
    for pipeline, photos in PIPELINES.items():
        develop(raw, folder / photos, pipeline)
    contact_sheet(folder, sheet)
    print(f"photos:        {(folder / PIPELINES['neural']).resolve()}")
    print(f"contact sheet: {sheet.resolve()}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
