"""The bars that the logits of each precision are held to, by the activation of the head."""

from vitscope.bundle import F32_SHARE, Activation, LogitBars

_F32 = LogitBars(agreement=0.99, tie=1e-3, worst=F32_SHARE, probability=1e-3)
_REDUCED: dict[Activation, LogitBars] = {
    "softmax": LogitBars(agreement=0.99),
    "sigmoid": LogitBars(agreement=0.99, tie=0.01, probability=0.05),
    "none": LogitBars(agreement=1, worst=0.1, mean=0.02),
}
# Three bits of mantissa decide more near-ties differently than seven: fp8 trades that for its speed.
_FP8: dict[Activation, LogitBars] = {
    "softmax": LogitBars(agreement=0.98),
    "sigmoid": LogitBars(agreement=0.98, tie=0.02, probability=0.1),
    "none": LogitBars(agreement=1, worst=0.2, mean=0.04),
}
# Other pixels are the same engine's: whatever they change is theirs.
_PIXELS: dict[Activation, LogitBars] = {
    "softmax": LogitBars(agreement=0.99, worst=0.1, mean=0.02),
    "sigmoid": LogitBars(agreement=0.99, tie=0.01, worst=0.1, mean=0.02, probability=0.05),
    "none": LogitBars(agreement=1, worst=0.1, mean=0.02),
}


def logit_bars(precision: str, activation: Activation) -> LogitBars:
    """Return the bars of a precision."""
    if precision == "f32":
        return LogitBars(agreement=0.99, worst=F32_SHARE) if activation == "softmax" else _F32
    return (_FP8 if precision == "fp8" else _REDUCED)[activation]


def pixel_bars(activation: Activation) -> LogitBars:
    """Return the bars of other pixels than the processor's own."""
    return _PIXELS[activation]
