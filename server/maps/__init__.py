"""Attention rows -> maps for the caller: chosen, encoded, drawn."""

from server.maps.encode import Encoded, encode
from server.maps.render import Rendered, render
from server.maps.select import AttentionMap, select
from server.maps.spec import MapSpec, RenderingSpec

__all__ = ["AttentionMap", "Encoded", "MapSpec", "Rendered", "RenderingSpec", "encode", "render", "select"]
