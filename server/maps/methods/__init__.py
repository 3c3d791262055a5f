"""The registry of explanation methods. Each has a file of its own and an entry here."""

from dataclasses import replace

from vitscope.bundle import Manifest
from vitscope.server.errors import InvalidRequest
from vitscope.server.maps.map import Map, Outputs
from vitscope.server.maps.methods import attention, cam, evidence, rollout
from vitscope.server.maps.methods.method import Method
from vitscope.server.maps.options import MapOptions
from vitscope.server.maps.spec import MapSpec

METHODS: dict[str, Method] = {
    method.name: method for method in (attention.METHOD, cam.METHOD, evidence.METHOD, rollout.METHOD)
}


def plan(options: MapOptions, manifest: Manifest) -> MapSpec:
    """Check the options against the model. Without a method, they mean the first one that the model has but rollout.

    Raises InvalidRequest for a method that does not exist or that this bundle cannot serve, and for options that the
    method refuses.
    """
    served = [name for name in METHODS if name in manifest.methods]
    method = options.method or next((name for name in served if name != rollout.NAME), attention.NAME)
    if method not in METHODS:
        raise InvalidRequest("method", method, ", ".join(served or METHODS))
    if method not in manifest.methods:
        instead = f"one of: {', '.join(served)}" if served else "a request without maps"
        if method == evidence.NAME and method not in manifest.not_offered:
            instead += "; exported again by this version, without --no-evidence, it has evidence"
        raise InvalidRequest("maps", _why_not(method, manifest), instead)
    if options.token is not None and method not in (attention.NAME, rollout.NAME):
        raise InvalidRequest("token", f"set beside method {method}", f"{attention.NAME} or {rollout.NAME} with a token")
    spec = METHODS[method].plan(options, manifest)
    options.when.check(manifest.activation)
    return replace(spec, when=options.when) if options.when else spec


def _why_not(method: str, manifest: Manifest) -> str:
    model = f"model {manifest.name!r}"
    if method in (attention.NAME, rollout.NAME) and manifest.tokens.attention_from is None:
        return f"{model} attends within windows of patches, so it has no map of attention over the image"
    if method == cam.NAME and manifest.tokens.pooling != "mean":
        return f"the head of {model} reads {manifest.tokens.pooling}, so its logits are no sums over patches"
    if method in manifest.not_offered:
        return f"{model} has no {method}: {manifest.not_offered[method]}"
    if method == rollout.NAME:
        return f"{model} was exported without {method}, or before there was such a thing: export it again"
    return f"{model} was exported without {method}"


def make(spec: MapSpec, manifest: Manifest, outputs: Outputs) -> list[Map]:
    """Return the maps of one image, in the order of the method."""
    return METHODS[spec.method].make(spec, manifest, outputs)
