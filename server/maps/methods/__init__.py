"""The registry of explanation methods. Each has a file of its own and an entry here."""

from vitscope.bundle import Manifest
from vitscope.server.errors import InvalidRequest
from vitscope.server.maps.map import Map, Outputs
from vitscope.server.maps.methods import attention
from vitscope.server.maps.methods.method import Method
from vitscope.server.maps.options import MapOptions
from vitscope.server.maps.spec import MapSpec

METHODS: dict[str, Method] = {method.name: method for method in (attention.METHOD,)}


def plan(options: MapOptions, manifest: Manifest) -> MapSpec:
    """Check the options against the model.

    Raises InvalidRequest for a method that does not exist or that this bundle cannot serve, and for options that the
    method refuses.
    """
    served = ", ".join(name for name in METHODS if name in manifest.methods)
    if options.method not in METHODS:
        raise InvalidRequest("method", options.method, served or ", ".join(METHODS))
    if options.method not in manifest.methods:
        instead = f"one of: {served}" if served else "a request without maps"
        raise InvalidRequest("maps", f"model {manifest.name!r} was exported without {options.method}", instead)
    return METHODS[options.method].plan(options, manifest)


def make(spec: MapSpec, manifest: Manifest, outputs: Outputs) -> list[Map]:
    """Return the maps of one image, in the order of the method."""
    return METHODS[spec.method].make(spec, manifest, outputs)
