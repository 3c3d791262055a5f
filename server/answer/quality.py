"""The signals of one answer that show the drift of a model without labels."""

from vitscope.server.answer.image_task import Inference
from vitscope.server.answer.ranking import Ranking
from vitscope.server.maps.methods import attention
from vitscope.server.metrics.quality import Quality


def quality_of(ranking: Ranking, inference: Inference) -> Quality:
    """Return the confidence of the model, its attention entropy, and properties of its input."""
    geometry = inference.geometry
    return Quality(
        ranking.confidence,
        ranking.margin,
        attention.METHOD.entropy(inference.outputs),
        inference.brightness,
        geometry.image_width * geometry.image_height,
    )
