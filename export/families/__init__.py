"""The supported model families, by the architecture that config.json names. Each file has one, or close relatives.

To add one: write a file with a subclass of `Family` (or, where `Plain` fits, an entry of its own), and list its
FAMILIES below. Everything else in the export asks the family.
"""

from typing import Any

from vitscope.export.errors import ExportError
from vitscope.export.families import beit, clip, hiera, swin, swinv2, timm_vit, vit
from vitscope.export.families.family import Attend, Family, Linear, See, Sizes

__all__ = ["FAMILIES", "Attend", "Family", "Linear", "See", "Sizes", "family_of"]

FAMILIES: dict[str, Family] = {
    **vit.FAMILIES, **beit.FAMILIES, **clip.FAMILIES, **swin.FAMILIES, **swinv2.FAMILIES, **hiera.FAMILIES,
    **timm_vit.FAMILIES,
}  # fmt: skip

# Architectures whose name promises more than is there.
_WHY_NOT = {
    "Siglip2ForImageClassification": ", which takes images of any shape (NaFlex); accepted: SigLIP 2 of a fixed "
    "resolution, which is a SiglipForImageClassification",
}


def family_of(config: Any) -> Family:
    """Return the family of a checkpoint, given its config.

    Raises ExportError for an unsupported architecture or form of it, a missing head or an input that is not RGB.
    """
    found = (getattr(config, "architectures", None) or ["none"])[0]
    family = FAMILIES.get(found)
    if family is None:
        raise ExportError(
            f"CHECKPOINT: its config.json names the architecture {found}{_WHY_NOT.get(found, '')}; supported are "
            f"fine-tuned classifiers of {', '.join(family.title for family in FAMILIES.values())}"
        )
    if config.num_labels < 1:
        raise ExportError("CHECKPOINT: config.json has no labels (num_labels is 0); a classifier needs at least 1")
    channels = getattr(getattr(config, "vision_config", config), "num_channels", 3)
    if channels != 3:
        raise ExportError(f"CHECKPOINT: num_channels is {channels}; accepted is 3 (RGB input)")
    if reason := family.refuses(config):
        raise ExportError(f"CHECKPOINT: {reason}")
    return family
