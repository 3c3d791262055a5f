"""Domain values to replies."""

from collections.abc import Mapping
from functools import lru_cache

from vitscope.bundle import CertificateEntry, InputContract, TokenGeometry
from vitscope.server.classifier import Classification
from vitscope.server.images.geometry import Geometry
from vitscope.server.maps.encode import encode
from vitscope.server.maps.render import Rendered
from vitscope.server.maps.select import AttentionMap
from vitscope.server.maps.spec import Dtype
from vitscope.server.models.served import ServedModel
from vitscope.server.models.status import State
from vitscope.v1 import classifier_pb2, image_pb2, maps_pb2, model_pb2, timing_pb2

_RESIZE_MODES = {
    "squash": image_pb2.RESIZE_MODE_SQUASH,
    "shortest_edge": image_pb2.RESIZE_MODE_SHORTEST_EDGE,
    "none": image_pb2.RESIZE_MODE_NONE,
}
_STATES = {
    State.LOADING: model_pb2.MODEL_STATE_LOADING,
    State.READY: model_pb2.MODEL_STATE_READY,
    State.FAILED: model_pb2.MODEL_STATE_FAILED,
}
_ORIGINS = {
    "computed": timing_pb2.ORIGIN_COMPUTED,
    "shared": timing_pb2.ORIGIN_SHARED,
    "cached": timing_pb2.ORIGIN_CACHED,
}
_DTYPES = {
    "float32": maps_pb2.DATA_TYPE_FLOAT32,
    "float16": maps_pb2.DATA_TYPE_FLOAT16,
    "uint8": maps_pb2.DATA_TYPE_UINT8,
}


def to_response(
    model: ServedModel, answer: Classification, dtype: Dtype, durations: Mapping[str, float], batch_size: int
) -> classifier_pb2.ClassifyResponse:
    """The reply to one image. durations: seconds by stage; batch_size: of the batch that it was computed in."""
    return classifier_pb2.ClassifyResponse(
        classes=[
            classifier_pb2.Class(index=c.index, label=c.label, probability=c.probability, logit=c.logit)
            for c in answer.classes
        ],
        maps=[_map(item, dtype, picture) for item, picture in answer.maps],
        geometry=_geometry(answer.geometry),
        model=model.name,
        version=model.version,
        timing=_timing(durations, batch_size, answer),
    )


def to_summary(model: ServedModel) -> model_pb2.ModelSummary:
    """One line of ListModels."""
    return model_pb2.ModelSummary(
        name=model.name,
        version=model.version,
        state=_STATES[model.state],
        state_detail=model.detail,
        engine=str(model.identity) if model.identity and model.state is State.READY else "",
    )


def to_model(model: ServedModel) -> model_pb2.Model:
    """Everything there is to say about a model version. Raises NotReady while its bundle is not open."""
    manifest = model.bundle.manifest
    return model_pb2.Model(
        summary=to_summary(model),
        family=manifest.family,
        labels=manifest.labels,
        input=_input(manifest.input),
        tokens=_tokens(manifest.tokens),
        layers=manifest.layers,
        heads=manifest.heads,
        width=manifest.width,
        provenance=model_pb2.Provenance(
            source=manifest.provenance.source,
            weights_sha256=manifest.provenance.weights_sha256,
            tools=manifest.provenance.tools,
        ),
        engine=_engine(model),
        certificate=[_certificate_entry(entry) for entry in (*model.bundle.certificate.entries, *model.gates.values())],
        has_attention=manifest.has_attention,
    )


def _map(item: AttentionMap, dtype: Dtype, picture: Rendered | None) -> maps_pb2.Map:
    encoded = encode(item.values, dtype)
    rows, cols = item.values.shape
    return maps_pb2.Map(
        method=maps_pb2.MAP_METHOD_ATTENTION,
        layer=item.layer,
        head=item.head,
        rows=rows,
        cols=cols,
        dtype=_DTYPES[encoded.dtype],
        values=encoded.data,
        scale=encoded.scale,
        offset=encoded.offset,
        stats=maps_pb2.MapStats(min=item.min, max=item.max, sum=item.sum),
        prefix=maps_pb2.PrefixMass(cls=item.cls, distillation=item.distillation, registers=item.registers),
        rendering=maps_pb2.Rendering(
            media_type=picture.media_type,
            data=picture.data,
            width=picture.width,
            height=picture.height,
            value_min=picture.value_min,
            value_max=picture.value_max,
        )
        if picture
        else None,
    )


@lru_cache(maxsize=256)
def _geometry(geometry: Geometry) -> image_pb2.Geometry:
    """Copied wherever it is put into a message. Photos of one camera have one geometry."""
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
        resize_mode=_RESIZE_MODES[geometry.resize_mode],
    )


def _timing(durations: Mapping[str, float], batch_size: int, answer: Classification) -> timing_pb2.Timing:
    seconds = {f"{stage}_seconds": value for stage, value in durations.items()}
    return timing_pb2.Timing(**seconds, batch_size=batch_size, engine=str(answer.engine), origin=_ORIGINS[answer.how])


def _input(contract: InputContract) -> model_pb2.InputContract:
    resize = contract.resize
    to = [resize.edge] if resize.edge is not None else [resize.width or 0, resize.height or 0]
    return model_pb2.InputContract(
        width=contract.width,
        height=contract.height,
        resize_mode=_RESIZE_MODES[resize.mode],
        resize_to=to,
        interpolation=resize.interpolation,
        mean=contract.mean,
        std=contract.std,
    )


def _tokens(tokens: TokenGeometry) -> model_pb2.TokenGeometry:
    return model_pb2.TokenGeometry(
        patch_width=tokens.patch_width,
        patch_height=tokens.patch_height,
        grid_rows=tokens.grid_rows,
        grid_cols=tokens.grid_cols,
        cls_tokens=tokens.cls_tokens,
        distillation_tokens=tokens.distillation_tokens,
        register_tokens=tokens.register_tokens,
        pooling=tokens.pooling,
    )


def _engine(model: ServedModel) -> model_pb2.EngineInfo | None:
    identity, choice = model.identity, model.choice
    if identity is None or choice is None:
        return None
    costs = model.costs
    return model_pb2.EngineInfo(
        name=identity.name,
        version=identity.version,
        precision=identity.precision,
        device=identity.device,
        reason=choice.reason,
        max_batch=model.best_batch,
        costs=[model_pb2.BatchCost(batch_size=size, seconds=seconds) for size, seconds in costs.items()],
    )


def _certificate_entry(entry: CertificateEntry) -> model_pb2.CertificateEntry:
    return model_pb2.CertificateEntry(
        engine=entry.engine,
        precision=entry.precision,
        passed=entry.passed,
        images=entry.images,
        top1_agreement=entry.top1_agreement,
        max_logit_error=entry.max_logit_error or 0.0,
        min_attention_cosine=1.0 if entry.min_attention_cosine is None else entry.min_attention_cosine,
        non_finite=entry.non_finite,
        mean_attention_cosine=1.0 if entry.mean_attention_cosine is None else entry.mean_attention_cosine,
    )
