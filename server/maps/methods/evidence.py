"""Evidence: the share of each patch in a class, of what the head read in the last block; signed, for any class.

The values add up with the ledger to the class's log-probability, or to its logit where classes do not compete.
"""

import numpy as np

from vitscope.bundle import EVIDENCE, Manifest, Pooling
from vitscope.server.maps.classes import Mode, resolve, same_class
from vitscope.server.maps.evidence import Evidence, ExplainedClass, Ledger, Shares, Target, Tokens, outliers_of
from vitscope.server.maps.map import MEAN, Map, Outputs
from vitscope.server.maps.options import MapOptions
from vitscope.server.maps.spec import MapSpec, choose_last

NAME = "evidence"
VALUES: dict[Mode, str] = {
    "integrated": "evidence", "gradient": "evidence_gradient", "direct": "evidence_direct",
}  # fmt: skip
"""Outputs by mode: the shares, float32 [classes, patches]."""
LEDGER, CLASSES, NORMS = "evidence_ledger", "evidence_class", "evidence_norms"
"""Outputs: float32 [classes, 5], read by `_ledger`; the classes explained, int64 [classes]; the norms of the patches'
tokens, float32 [patches], in graphs that have them."""

TOKENS: dict[Pooling, Tokens] = {"mean": "output", "cls+mean": "both"}
"""Which tokens the patches stand for, by what the head reads; for other heads those that go into the last attention."""

_FLAT = 0.01
"""Of the spread of an image's logits: maps whose norm is much below that are next to nothing."""


class EvidenceMethod:
    """One map for each class, of the last layer. Values have both signs, in the unit of the target."""

    name = NAME
    sums_to_one = False
    of_best_class = True

    def plan(self, options: MapOptions, manifest: Manifest) -> MapSpec:
        """Return the spec. Raises InvalidRequest for other layers than the last, for heads, and for unknown classes."""
        layers = choose_last(
            options.layers, options.heads, manifest.layers, "evidence is what the last layer read",
            "evidence is the sum over all heads",
        )  # fmt: skip
        targets = resolve(options.classes, manifest.labels)
        rendering = options.rendering and options.rendering.shared_by(len(targets.classes))
        mode = options.classes.mode or "integrated"
        return MapSpec(self.name, EVIDENCE, layers, None, options.dtype, rendering, targets, mode)

    def make(self, spec: MapSpec, manifest: Manifest, outputs: Outputs) -> list[Map]:
        """Return the maps in the order of the classes.

        Raises InvalidRequest for a class that turns out to be the one to contrast it with.
        """
        targets = spec.targets
        assert targets is not None
        found = [int(index) for index in outputs[CLASSES][: len(targets.columns)]]
        against = None if targets.versus is None else len(targets.classes)
        columns = [
            column for column in range(len(targets.classes)) if against is None or found[column] != found[against]
        ]
        if against is not None and (not columns or not (targets.top or len(columns) == len(targets.classes))):
            raise same_class(targets.versus_field, found[against], manifest.labels)
        return [_map(spec, manifest, outputs, column, against) for column in columns]

    def rows(self, outputs: Outputs) -> np.ndarray | None:
        """Return the integrated shares, and behind them a constant that is small beside the logits.

        Where the head read next to nothing, shares are rounding errors in any direction: beside it they do not count.
        """
        shares = outputs.get(VALUES["integrated"])
        if shares is None:
            return None
        least = _FLAT * outputs["logits"].std(axis=-1).reshape(-1, 1, 1)
        return np.concatenate([shares, np.broadcast_to(least, (*shares.shape[:2], 1))], axis=-1)


METHOD = EvidenceMethod()


def _map(spec: MapSpec, manifest: Manifest, outputs: Outputs, column: int, against: int | None) -> Map:
    tokens = manifest.tokens
    shares, terms = outputs[VALUES[spec.mode]], outputs[LEDGER]
    values, term = shares[column], terms[column]
    if against is not None:
        values, term = values - shares[against], term - terms[against]
    values = values.reshape(tokens.grid_rows, tokens.grid_cols)
    norms = outputs.get(NORMS)
    outliers = None if norms is None else outliers_of(norms).reshape(values.shape)
    patches = float(values.sum())
    ledger = (
        _ledger(term, patches, whole=against is None)
        if spec.mode == "integrated"
        else Ledger.partial(float(term[0]), patches)
    )
    evidence = Evidence(
        _class_of(outputs, column, manifest),
        None if against is None else _class_of(outputs, against, manifest),
        target_of(manifest),
        spec.mode,
        ledger,
        TOKENS.get(tokens.pooling, "last_attention"),
        Shares.of(values, ledger, outliers),
        outliers,
    )
    return Map.of(NAME, spec.layers[0], MEAN, values, evidence=evidence)


def target_of(manifest: Manifest) -> Target:
    """Return what evidence explains of a class of this model."""
    return "log_probability" if manifest.activation == "softmax" else "logit"


def _class_of(outputs: Outputs, column: int, manifest: Manifest) -> ExplainedClass:
    index = int(outputs[CLASSES][column])
    return ExplainedClass(index, manifest.labels[index])


def _ledger(terms: np.ndarray, patches: float, whole: bool) -> Ledger:
    target, base, cls_self, registers, share = map(float, terms)
    return Ledger.of(target, base, patches, cls_self, registers, share if whole else None)
