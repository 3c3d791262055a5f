"""The signals of one answer by which the drift of a model is seen without labels."""

from vitscope.server.answer.image_task import Inference
from vitscope.server.answer.ranking import Ranking
from vitscope.server.maps.methods import attention
from vitscope.server.metrics.quality import Quality


def quality_of(ranking: Ranking, inference: Inference) -> Quality:
    """Return how sure the model was, how it attended and what it was shown."""
    geometry = inference.geometry
    return Quality(
        ranking.confidence,
        ranking.margin,
        attention.METHOD.entropy(inference.outputs),
        inference.brightness,
        geometry.image_width * geometry.image_height,
    )
