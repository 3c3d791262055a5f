"""What a head makes of the tokens that it reads, as layers whose derivative is written out.

From the last attention on, every layer works on one token at a time. So the derivative of a logit takes one token
through one MLP, forwards and back, and can be part of an exported graph, which knows no automatic differentiation.
"""

from vitscope.export.tail.gauge import Gauge, chosen
from vitscope.export.tail.layer import Chain, Layer
from vitscope.export.tail.reading import Head, Reader, Reading
from vitscope.export.tail.rule import Rule
from vitscope.export.tail.shares import Read, Shares, shares_of

__all__ = ["Chain", "Gauge", "Head", "Layer", "Read", "Reader", "Reading", "Rule", "Shares", "chosen", "shares_of"]
