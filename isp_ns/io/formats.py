"""What a file is, by its first bytes, and which extensions a folder scan takes."""

from pathlib import Path

from isp_ns.core.errors import DecodeError

__all__ = ["FITS_EXTENSIONS", "IMAGE_EXTENSIONS", "RAW_EXTENSIONS", "is_raw_name", "read_head", "sniff"]

FITS_EXTENSIONS = frozenset({".fit", ".fits", ".fts"})
"""Extensions of FITS files, which need the `fits` extra."""

# fmt: off
RAW_EXTENSIONS = FITS_EXTENSIONS | {
    ".3fr", ".ari", ".arw", ".bay", ".cr2", ".cr3", ".crw", ".cs1", ".dc2", ".dcr", ".dng", ".drf", ".dsc", ".erf",
    ".fff", ".gpr", ".ia", ".iiq", ".k25", ".kc2", ".kdc", ".mdc", ".mef", ".mos", ".mrw", ".nef", ".nrw",
    ".orf", ".ori", ".pef", ".ptx", ".pxn", ".qtk", ".raf", ".raw", ".rdc", ".rw1", ".rw2", ".rwl", ".rwz", ".sr2",
    ".srf", ".srw", ".sti", ".x3f",
}
# fmt: on
"""Extensions of camera files, in lower case with their dot. Source: LibRaw's list of supported cameras."""

IMAGE_EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"})
"""Extensions of rendered images that `read_image` reads, in lower case with their dot."""

_MAGICS = (
    (0, b"II*\0", "tiff"),
    (0, b"MM\0*", "tiff"),
    (0, b"IIRO", "tiff"),
    (0, b"IIRS", "tiff"),
    (0, b"MMOR", "tiff"),
    (0, b"IIU\0", "tiff"),
    (0, b"FUJIFILMCCD-RAW", "raw"),
    (6, b"HEAPCCDR", "raw"),
    (4, b"ftypcrx", "raw"),
    (0, b"\0MRM", "raw"),
    (0, b"qktk", "raw"),
    (0, b"qktn", "raw"),
    (0, b"IIII", "raw"),
    (0, b"MMMM", "raw"),
    (0, b"ARRI", "raw"),
    (25, b"ARECOYK", "raw"),
    (0, b"NOKIARAW", "raw"),
    (0, b"DSC-Image", "raw"),
    (0, b"FOVb", "foveon"),
    (0, b"SIMPLE  =", "fits"),
    (0, b"\xff\xd8\xff", "jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (8, b"WEBP", "webp"),
)


def is_raw_name(path: Path) -> bool:
    """Whether a folder scan takes `path`: a listed RAW extension in any case, and not a hidden file."""
    return path.suffix.lower() in RAW_EXTENSIONS and not path.name.startswith(".")


def sniff(head: bytes) -> str:
    """What a file is by its first 64 bytes.

    Returns:
        "tiff" (also the camera formats built on it), "raw" (other camera formats), "foveon", "fits", "jpeg", "png",
        "webp", or "" when nothing is recognised.
    """
    for offset, magic, name in _MAGICS:
        if head[offset : offset + len(magic)] == magic:
            return name
    return ""


def read_head(path: Path) -> bytes:
    """The first 64 bytes of a file.

    Raises:
        DecodeError: if it cannot be opened, is no file, or is empty.
    """
    try:
        if path.exists() and not path.is_file():
            raise DecodeError(f"{path}: this is not a file")
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise DecodeError(f"{path}: cannot be read ({error.strerror or error})") from error
    if not head:
        raise DecodeError(f"{path}: the file is empty; copy it from its source again")
    return head
