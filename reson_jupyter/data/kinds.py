"""What a file is that is no image the sites can read, for people; nothing is opened or decoded for it."""

from __future__ import annotations

HEAD_BYTES = 352
_IMAGES = ((b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"))
_KINDS = (
    (0, b"GIF8", "a GIF"),
    (8, b"WEBP", "a WebP image"),
    (0, b"II*\0", "a TIFF image"),
    (0, b"MM\0*", "a TIFF image"),
    (0, b"BM", "a BMP image"),
    (4, b"jP  ", "a JPEG 2000 image"),
    (4, b"ftyp", "a HEIC or AVIF image or a film"),
    (0, b"%!PS", "a PostScript drawing"),
    (0, b"\xc5\xd0\xd3\xc6", "a PostScript drawing"),
    (0, b"%PDF", "a PDF document"),
    (0, b"<", "a text such as SVG or HTML"),
    (0, b"SIMPLE  =", "a FITS file"),
    (128, b"DICM", "a DICOM file"),
    (344, b"n+1\0", "a NIfTI file"),
    (0, b"\x1f\x8b", "a gzip file, perhaps .nii.gz"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"\x89HDF", "an HDF5 file"),
    (0, b"PK\3\4", "a zip or something kept in one, such as .npz and .pt"),
    *((0, bytes((0x80, protocol)), "a pickle") for protocol in range(2, 6)),
)


def no_image(head: bytes) -> str:
    """Says of a file that cannot be opened as JPEG or PNG what it is, by its first `HEAD_BYTES`."""
    for magic, name in _IMAGES:
        if head.startswith(magic):
            return f"is a damaged {name}"
    kind = next((kind for place, magic, kind in _KINDS if head.startswith(magic, place)), "" if head else "empty")
    return f"is neither JPEG nor PNG but {kind}" if kind else "is neither JPEG nor PNG"
