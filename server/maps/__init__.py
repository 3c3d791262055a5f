"""Attention rows -> maps for the caller: chosen, encoded, drawn."""

from vitscope.server.maps.encode import Encoded, encode
from vitscope.server.maps.render import Rendered, render
from vitscope.server.maps.select import AttentionMap, select
from vitscope.server.maps.spec import MapSpec, RenderingSpec

__all__ = ["AttentionMap", "Encoded", "MapSpec", "Rendered", "RenderingSpec", "encode", "render", "select"]
