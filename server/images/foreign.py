"""The names of files that are sent by mistake, or in formats that are not accepted."""

import re
import struct

from vitscope.server.images.brands import name_media

# Pattern of the first bytes -> name, most specific first.
_NAMES = {
    rb"\xff\x0a|\x00\x00\x00\x0cJXL ": "a JPEG XL image",
    rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51": "a JPEG 2000 image",
    rb"\xff\xd8\xff\xf7": "a JPEG-LS image",
    rb"II\xbc\x01": "a JPEG XR image",
    rb"II\x2a\x00....CR\x02": "a Canon raw photo (CR2)",
    rb"FUJIFILMCCD-RAW": "a Fujifilm raw photo (RAF)",
    rb"IIR[OS]|MMOR": "an Olympus raw photo (ORF)",
    rb"IIU\x00": "a Panasonic raw photo (RW2)",
    rb"II\x1a\x00\x00\x00HEAPCCDR": "a Canon raw photo (CRW)",
    rb"FOVb": "a Sigma raw photo (X3F)",
    rb"\x00MRM": "a Minolta raw photo (MRW)",
    rb"MM\x00\x2b": "a big-endian BigTIFF image",
    rb"8BPS": "a Photoshop file",
    rb"%!PS|\xc5\xd0\xd3\xc6": "an EPS or PostScript drawing",
    rb"gimp xcf": "a GIMP file",
    rb"\x76\x2f\x31\x01": "an OpenEXR image",
    rb"#\?(RADIANCE|RGBE)": "a Radiance HDR image",
    rb"SIMPLE  =": "a FITS image",
    rb"DDS ": "a DDS texture",
    rb"\xabKTX [12]": "a KTX texture",
    rb"qoif": "a QOI image",
    rb"farbfeld": "a farbfeld image",
    rb"icns": "an Apple icon",
    rb"\x0a[\x00\x02-\x05]\x01[\x01\x02\x04\x08]": "a PCX image",
    rb"\x01\xda[\x00\x01][\x01\x02]\x00[\x01-\x03]": "an SGI image",
    rb"\x59\xa6\x6a\x95": "a Sun raster image",
    rb"P[1-7]\s": "a PNM image",
    rb"P[Ff]\s": "a PFM image",
    rb"\x8aMNG\r\n\x1a\n": "an MNG animation",
    rb"\x8bJNG\r\n\x1a\n": "a JNG image",
    rb"FLIF": "a FLIF image",
    rb"BPG\xfb": "a BPG image",
    rb"\xd7\xcd\xc6\x9a": "a Windows metafile",
    rb"\x01\x00\x00\x00.{36} EMF": "a Windows metafile",
    rb"RIFF....AVI ": "an AVI video",
    rb"RIFF....WAVE": "WAV audio",
    rb"RIFF": "a RIFF file that is no WebP",
    rb"\x1aE\xdf\xa3": "a WebM or Matroska video",
    rb"OggS": "an Ogg file",
    rb"FLV\x01": "a Flash video",
    rb"\x00\x00\x01[\xb3\xba]": "an MPEG video",
    rb"ID3|\xff[\xf2\xf3\xfb][\x10-\xef]": "MP3 audio",
    rb"fLaC": "FLAC audio",
    rb"%PDF": "a PDF document",
    rb"PK(\x03\x04|\x05\x06|\x07\x08)": "a ZIP archive",
    rb"\x1f\x8b": "gzip-compressed data",
    rb"BZh[1-9]": "bzip2-compressed data",
    rb"\xfd7zXZ\x00": "xz-compressed data",
    rb"\x28\xb5\x2f\xfd": "Zstandard-compressed data",
    rb"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    rb"Rar!\x1a\x07": "a RAR archive",
    rb".{257}ustar": "a TAR archive",
    rb"\x89HDF\r\n\x1a\n": "an HDF5 file",
    rb"\x93NUMPY": "a NumPy array",
    rb"\x80[\x02-\x05][\x95}\]\(c]": "a Python pickle",
    rb"\xd0\xcf\x11\xe0": "a Microsoft Office document",
    rb"\x7fELF|MZ": "a program",
    rb"\x00\x00\x00\x01Bud1": "a .DS_Store file",
}
_COMPILED = {re.compile(pattern, re.DOTALL): name for pattern, name in _NAMES.items()}


def name_binary(data: bytes) -> str | None:
    """Return what a binary file is that is not accepted; None if it is not known."""
    head = data[:512]
    for pattern, name in _COMPILED.items():
        if pattern.match(head):
            return name
    if media := name_media(data):
        return media
    if head[128:132] == b"DICM":
        return "a DICOM image"
    if _is_icon(data):
        return "an icon or cursor file"
    if data[-18:] == b"TRUEVISION-XFILE.\x00" or _is_targa(head):
        return "a TGA image"
    return None


def _is_icon(data: bytes) -> bool:
    """ICO and CUR: a directory of pictures that lie behind it in the file."""
    if len(data) < 22 or data[:4] not in (b"\x00\x00\x01\x00", b"\x00\x00\x02\x00"):
        return False
    (count,) = struct.unpack_from("<H", data, 4)
    size, offset = struct.unpack_from("<II", data, 14)
    return count > 0 and data[9] in (0, 255) and size > 0 and 6 + 16 * count <= offset < 2**31


def _is_targa(head: bytes) -> bool:
    """TGA has no signature: its 18 bytes of header have to agree with each other."""
    if len(head) < 18:
        return False
    _, mapped, kind, first, colours, bits, _, _, width, height, depth, flags = struct.unpack_from("<BBBHHBHHHHBB", head)
    return (
        width > 0
        and height > 0
        and depth in (8, 15, 16, 24, 32)
        and flags & 0xC0 == 0
        and (
            (mapped == 0 and kind in (2, 3, 10, 11) and first == colours == bits == 0)
            or (mapped == 1 and kind in (1, 9) and depth in (8, 16) and colours > 0 and bits in (15, 16, 24, 32))
        )
    )
