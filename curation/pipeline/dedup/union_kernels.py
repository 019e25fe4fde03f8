"""Union-find over document numbers, compiled: the lowest number of a cluster is its root."""

import numpy as np
from numpy.typing import NDArray

from tilth.text.compiled import compiled


@compiled
def find(parent: NDArray[np.int64], node: int) -> int:
    """The root of a node; the way there is made shorter."""
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@compiled
def unite(parent: NDArray[np.int64], pairs: NDArray[np.int64]) -> None:
    """Join the clusters of every pair."""
    for i in range(len(pairs)):
        left, right = find(parent, pairs[i, 0]), find(parent, pairs[i, 1])
        if left < right:
            parent[right] = left
        else:
            parent[left] = right


@compiled
def flatten(parent: NDArray[np.int64]) -> None:
    """Let every node point at its root."""
    for node in range(len(parent)):  # a parent is never higher than its child: one sweep suffices
        parent[node] = parent[parent[node]]
