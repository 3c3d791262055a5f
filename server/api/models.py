"""Model versions as messages, shared by the gRPC services."""

from vitscope.bundle import CertificateEntry, InputContract, PixelEntry, TokenGeometry
from vitscope.server.maps.internals.selection import parts_of
from vitscope.server.maps.methods import METHODS
from vitscope.server.models.served import ServedModel
from vitscope.server.models.status import State
from vitscope.v1 import image_pb2, model_pb2

RESIZE_MODES = {
    "squash": image_pb2.RESIZE_MODE_SQUASH,
    "shortest_edge": image_pb2.RESIZE_MODE_SHORTEST_EDGE,
    "letterbox": image_pb2.RESIZE_MODE_LETTERBOX,
    "none": image_pb2.RESIZE_MODE_NONE,
}
ACTIVATIONS = {
    "softmax": model_pb2.ACTIVATION_SOFTMAX,
    "sigmoid": model_pb2.ACTIVATION_SIGMOID,
    "none": model_pb2.ACTIVATION_NONE,
}
_STATES = {
    State.LOADING: model_pb2.MODEL_STATE_LOADING,
    State.READY: model_pb2.MODEL_STATE_READY,
    State.FAILED: model_pb2.MODEL_STATE_FAILED,
}


def to_summary(model: ServedModel, detail: str | None = None) -> model_pb2.ModelSummary:
    """Return the entry of a model version in ListModels. detail: what operators are told, and callers are not."""
    return model_pb2.ModelSummary(
        name=model.name,
        version=model.version,
        state=_STATES[model.state],
        state_detail=model.status.public if detail is None else detail,
        engine=str(model.identity) if model.identity and model.state is State.READY else "",
    )


def to_model(model: ServedModel) -> model_pb2.Model:
    """Return the reply of GetModel for a model version. Raises NotReady while its bundle is not open."""
    manifest = model.bundle.manifest
    return model_pb2.Model(
        summary=to_summary(model),
        family=manifest.family,
        labels=manifest.labels,
        input=to_input(manifest.input),
        tokens=_to_tokens(manifest.tokens),
        layers=manifest.layers,
        heads=manifest.heads,
        width=manifest.width,
        provenance=model_pb2.Provenance(
            source=manifest.provenance.source,
            weights_sha256=manifest.provenance.weights_sha256,
            tools=manifest.provenance.tools,
        ),
        engine=_to_engine(model),
        certificate=[
            _to_certificate_entry(entry) for entry in (*model.bundle.certificate.entries, *model.gates.values())
        ],
        has_attention=manifest.has_attention,
        methods=[name for name in manifest.methods if name in METHODS],
        explain_parts=parts_of(manifest),
        activation=ACTIVATIONS[manifest.activation],
        temperature=manifest.temperature,
        decoding=model_pb2.ImageDecoding(
            decoding=model.pixels.decoding,
            reason=model.pixels.reason,
            certificate=map(_to_pixel_entry, model.bundle.certificate.pixels),
        ),
    )


def to_input(contract: InputContract) -> model_pb2.InputContract:
    """Return how an image is fitted to a model's input."""
    resize = contract.resize
    to = [resize.edge] if resize.mode == "shortest_edge" else [resize.width, resize.height]
    return model_pb2.InputContract(
        width=contract.width,
        height=contract.height,
        resize_mode=RESIZE_MODES[resize.mode],
        resize_to=[side for side in to if side is not None],
        interpolation=resize.interpolation,
        mean=contract.mean,
        std=contract.std,
        padding_color=contract.padding.fill if contract.padding else (),
    )


def _to_tokens(tokens: TokenGeometry) -> model_pb2.TokenGeometry:
    return model_pb2.TokenGeometry(
        patch_width=tokens.patch_width,
        patch_height=tokens.patch_height,
        grid_rows=tokens.grid_rows,
        grid_cols=tokens.grid_cols,
        cls_tokens=tokens.cls_tokens,
        distillation_tokens=tokens.distillation_tokens,
        register_tokens=tokens.register_tokens,
        pooling=tokens.pooling,
        attention_from=tokens.attention_from or "",
    )


def _to_engine(model: ServedModel) -> model_pb2.EngineInfo | None:
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


def _to_certificate_entry(entry: CertificateEntry) -> model_pb2.CertificateEntry:
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
        logit_spread=entry.logit_spread or 0.0,
        max_probability_error=entry.max_probability_error or 0.0,
        mean_logit_error=entry.mean_logit_error or 0.0,
    )


def _to_pixel_entry(entry: PixelEntry) -> model_pb2.PixelEntry:
    return model_pb2.PixelEntry(
        decoding=entry.decoding,
        passed=entry.passed,
        images=entry.images,
        enlarged=entry.enlarged,
        agreement=entry.agreement,
        max_logit_error=entry.max_logit_error,
        mean_logit_error=entry.mean_logit_error,
        logit_spread=entry.logit_spread,
        max_probability_error=entry.max_probability_error or 0.0,
    )
