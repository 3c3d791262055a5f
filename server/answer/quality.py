"""The signals of one answer that show the drift of a model without labels."""

from collections.abc import Sequence

from vitscope.server.answer.image_task import Inference
from vitscope.server.answer.ranking import Ranking
from vitscope.server.maps.map import Map
from vitscope.server.maps.methods import attention
from vitscope.server.metrics.quality import EvidenceLies, Quality


def quality_of(ranking: Ranking, inference: Inference, maps: Sequence[Map] = ()) -> Quality:
    """Return the confidence of the model, its attention entropy, properties of its input, and where evidence lies."""
    geometry = inference.geometry
    evidence = next((made.evidence for made in maps if made.evidence), None)
    return Quality(
        ranking.confidence,
        ranking.margin,
        attention.METHOD.entropy(inference.outputs),
        inference.brightness,
        geometry.image_width * geometry.image_height,
        EvidenceLies(evidence.shares.border, evidence.shares.prefix, evidence.shares.outliers) if evidence else None,
    )
