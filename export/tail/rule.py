"""The points of the path at which derivatives are taken, and their weights."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rule:
    """A Gauss-Legendre rule on 0..1. nodes: their number. grade: a = s ** grade, with the rule in s.

    A grade of 3 crowds the nodes at 0, where a norm turns quickly if nothing but a bias is there.
    """

    nodes: int
    grade: int = 1

    @property
    def points(self) -> np.ndarray:
        """The nodes, float64 [nodes]."""
        points: np.ndarray = self._places()[0] ** self.grade
        return points

    @property
    def weights(self) -> np.ndarray:
        """Their weights, float64 [nodes], which sum to 1 for grade 1."""
        places, weights = self._places()
        scaled: np.ndarray = weights * self.grade * places ** (self.grade - 1)
        return scaled

    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        places, weights = np.polynomial.legendre.leggauss(self.nodes)
        return (places + 1) / 2, weights / 2
