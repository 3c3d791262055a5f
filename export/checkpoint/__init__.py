"""The checkpoint that is exported: its files, model family, image processor, token sequence and weights."""

from vitscope.export.checkpoint.load import Checkpoint, load_checkpoint

__all__ = ["Checkpoint", "load_checkpoint"]
