"""From answers to messages."""

from functools import lru_cache

import numpy as np

from vitscope.server.answer.answer import AnsweredMap, Result
from vitscope.server.api.models import ACTIVATIONS, RESIZE_MODES
from vitscope.server.api.native.requests import CONDITIONS, DTYPES, METHODS, MODES
from vitscope.server.images.geometry import Geometry
from vitscope.server.maps.condition import Decision
from vitscope.server.maps.evidence import Evidence, ExplainedClass
from vitscope.server.maps.render import Rendered
from vitscope.v1 import classifier_pb2, image_pb2, maps_pb2, timing_pb2

_ORIGINS = {
    "computed": timing_pb2.ORIGIN_COMPUTED,
    "shared": timing_pb2.ORIGIN_SHARED,
    "cached": timing_pb2.ORIGIN_CACHED,
}
_TARGETS = {
    "log_probability": maps_pb2.EVIDENCE_TARGET_LOG_PROBABILITY,
    "logit": maps_pb2.EVIDENCE_TARGET_LOGIT,
}
_TOKENS = {
    "last_attention": maps_pb2.EVIDENCE_TOKENS_LAST_ATTENTION,
    "output": maps_pb2.EVIDENCE_TOKENS_OUTPUT,
    "both": maps_pb2.EVIDENCE_TOKENS_BOTH,
}


def to_response(result: Result) -> classifier_pb2.ClassifyResponse:
    """Return the reply to one image."""
    found = result.classification
    return classifier_pb2.ClassifyResponse(
        classes=[
            classifier_pb2.Class(index=c.index, label=c.label, probability=c.probability, logit=c.logit)
            for c in found.classes
        ],
        maps=[_to_map(item) for item in found.maps],
        geometry=_to_geometry(found.geometry),
        model=result.model,
        version=result.version,
        timing=_to_timing(result),
        activation=ACTIVATIONS[found.activation],
        maps_decision=_to_decision(found.decision) if found.decision else None,
    )


def _to_map(answered: AnsweredMap) -> maps_pb2.Map:
    item, encoded = answered.map, answered.encoded
    rows, cols = item.values.shape
    return maps_pb2.Map(
        method=METHODS.number(item.method),
        layer=item.layer,
        head=item.head,
        rows=rows,
        cols=cols,
        dtype=DTYPES.number(encoded.dtype),
        values=encoded.data,
        scale=encoded.scale,
        offset=encoded.offset,
        stats=maps_pb2.MapStats(min=item.min, max=item.max, sum=item.sum),
        prefix=maps_pb2.PrefixMass(
            cls=item.prefix.cls, distillation=item.prefix.distillation, registers=item.prefix.registers
        ),
        rendering=_to_rendering(answered.picture) if answered.picture else None,
        about=maps_pb2.ClassShares(index=item.about.index, rest=item.about.rest) if item.about else None,
        evidence=_to_evidence(item.evidence) if item.evidence else None,
    )


def _to_evidence(evidence: Evidence) -> maps_pb2.Evidence:
    ledger, shares, outliers = evidence.ledger, evidence.shares, evidence.outliers
    return maps_pb2.Evidence(
        explained=_to_class(evidence.explained),
        versus=_to_class(evidence.versus) if evidence.versus else None,
        target=_TARGETS[evidence.target],
        tokens=_TOKENS[evidence.tokens],
        mode=MODES.number(evidence.mode),
        ledger=maps_pb2.Ledger(
            target=ledger.target,
            base=ledger.base,
            patches=ledger.patches,
            cls_self=ledger.cls_self,
            registers=ledger.registers,
            completeness_error=ledger.completeness_error,
            last_block_share=ledger.last_block_share,
        ),
        shares=maps_pb2.EvidenceShares(border=shares.border, prefix=shares.prefix, outliers=shares.outliers),
        outliers=b"" if outliers is None else np.packbits(outliers, bitorder="little").tobytes(),
    )


def _to_class(one: ExplainedClass) -> maps_pb2.ExplainedClass:
    return maps_pb2.ExplainedClass(index=one.index, label=one.label)


def _to_decision(decision: Decision) -> maps_pb2.MapsDecision:
    return maps_pb2.MapsDecision(
        made=decision.made,
        when=CONDITIONS.number(decision.when.condition),
        below=decision.when.below,
        value=decision.value,
    )


def _to_rendering(picture: Rendered) -> maps_pb2.Rendering:
    return maps_pb2.Rendering(
        media_type=picture.media_type,
        data=picture.data,
        width=picture.width,
        height=picture.height,
        value_min=picture.value_min,
        value_max=picture.value_max,
    )


@lru_cache(maxsize=256)
def _to_geometry(geometry: Geometry) -> image_pb2.Geometry:
    """Return a cached message, which protobuf copies on use. Photos of one camera have the same geometry."""
    x0, y0, x1, y1 = geometry.seen
    return image_pb2.Geometry(
        image_width=geometry.image_width,
        image_height=geometry.image_height,
        exif_orientation=geometry.exif_orientation,
        model_width=geometry.model_width,
        model_height=geometry.model_height,
        patch_width=geometry.patch_width,
        patch_height=geometry.patch_height,
        grid_rows=geometry.grid_rows,
        grid_cols=geometry.grid_cols,
        grid_to_image=geometry.grid_to_image,
        seen=image_pb2.Box(x0=x0, y0=y0, x1=x1, y1=y1),
        resize_mode=RESIZE_MODES[geometry.resize_mode],
    )


def _to_timing(result: Result) -> timing_pb2.Timing:
    seconds = {f"{stage}_seconds": value for stage, value in result.durations.items()}
    found = result.classification
    return timing_pb2.Timing(
        **seconds, batch_size=result.batch_size, engine=str(found.engine), origin=_ORIGINS[found.origin]
    )
