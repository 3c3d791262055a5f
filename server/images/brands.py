"""ISO base media files (ISO/IEC 14496-12): what is in them, by the brands of their first box."""

from typing import Final

AVIF: Final = frozenset({b"avif", b"avis"})
HEIC: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
# Those that say no more than that there are pictures; the compatible brands say of which kind.
_PICTURES: Final = frozenset({b"mif1", b"mif2", b"mif3", b"miaf", b"msf1"})
# Major brands that Pillow takes for AVIF.
_OPENED: Final = AVIF | {b"mif1", b"msf1"}
_NAMES: Final = {
    b"crx ": "a Canon raw photo (CR3)",
    b"jp2 ": "a JPEG 2000 image",
    b"jpx ": "a JPEG 2000 image",
    b"jxl ": "a JPEG XL image",
    b"M4A ": "M4A audio",
    b"M4B ": "M4A audio",
    b"M4P ": "M4A audio",
    b"F4A ": "M4A audio",
    b"qt  ": "a QuickTime video",
    b"avci": "an AVCI photo (HEIF with AVC)",
    b"avcs": "an AVCI photo (HEIF with AVC)",
    b"jpeg": "a HEIF photo with JPEG coding",
}
_VIDEO: Final = (b"iso", b"mp4", b"avc1", b"M4V", b"3gp", b"3g2", b"dash", b"MSNV", b"f4v", b"F4V", b"mmp4", b"XAVC")


def brands(data: bytes) -> tuple[bytes, frozenset[bytes]]:
    """Return the major brand of a file and all of its brands; none of a file of another kind."""
    if data[4:8] != b"ftyp":
        return b"", frozenset()
    end = min(max(16, int.from_bytes(data[:4], "big")), 256)
    major = data[8:12]
    return major, frozenset({major, *(data[at : at + 4] for at in range(16, end - 3, 4))})


def is_avif(data: bytes) -> bool:
    """Return whether a file is an AVIF image, or a sequence of them."""
    major, found = brands(data)
    return bool(found & AVIF) and major in _OPENED


def is_heic(data: bytes) -> bool:
    """Return whether a file is a HEIC photo, or a sequence of them."""
    major, found = brands(data)
    return major in HEIC or (bool(found & HEIC) and not found & AVIF and major in _PICTURES)


def name_media(data: bytes) -> str | None:
    """Return what an ISO media file that is neither AVIF nor HEIC is; None for files of another kind."""
    major, found = brands(data)
    if not major:
        return "a QuickTime video" if data[4:8] in (b"moov", b"mdat", b"wide", b"pnot") else None
    if major in _NAMES:
        return _NAMES[major]
    if found & AVIF:
        return f"an AVIF image of an unusual brand ({_printable(major)})"
    if major in _PICTURES or found & _PICTURES:
        return next(
            (_NAMES[brand] for brand in sorted(found) if brand in _NAMES), "a HEIF picture of an unknown coding"
        )
    if major.startswith(_VIDEO):
        return "an MP4 video"
    return f"a media file of the brand {_printable(major)}"


def _printable(brand: bytes) -> str:
    return ascii(brand.decode("latin-1").strip())
