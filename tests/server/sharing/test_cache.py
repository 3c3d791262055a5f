"""The cache against a simple model of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitscope.server.sharing.cache import ENTRY_BYTES, AnswerCache, nbytes, owned

Step = tuple[str, int, int]

steps = st.lists(
    st.tuples(st.sampled_from(["put", "put", "get", "get"]), st.integers(0, 6), st.integers(0, 1_000)),
    min_size=10,
    max_size=60,
)


def cache(max_bytes: int, evicted: list[int] | None = None) -> AnswerCache[int, bytes]:
    removed = evicted if evicted is not None else []
    return AnswerCache(max_bytes, lambda answer: (answer, len(answer)), evicted=lambda: removed.append(1))


@settings(max_examples=300)
@given(st.integers(1_000, 4_000), steps)
def test_is_a_true_lru_within_its_bound(max_bytes: int, steps: list[Step]) -> None:
    evicted: list[int] = []
    tested = cache(max_bytes, evicted)
    model: list[tuple[int, bytes]] = []  # the least recently used first
    evictions = 0
    for action, key, size in steps:
        there = next((entry for entry in model if entry[0] == key), None)
        if action == "get":
            assert tested.get(key) == (there[1] if there else None)
            if there:
                model.remove(there)
                model.append(there)
        else:
            answer = bytes([key]) * size
            tested.put(key, answer)
            if there:
                model.remove(there)
            if size + ENTRY_BYTES <= max_bytes:
                model.append((key, answer))
                while sum(len(entry[1]) + ENTRY_BYTES for entry in model) > max_bytes:
                    model.pop(0)
                    evictions += 1
        assert tested.bytes == sum(len(entry[1]) + ENTRY_BYTES for entry in model) <= max_bytes
        assert len(tested) == len(model)
        assert len(evicted) == evictions
    assert {key: tested.get(key) for key in range(7)} == {key: dict(model).get(key) for key in range(7)}


def test_a_bound_of_zero_keeps_nothing_and_packs_nothing() -> None:
    def pack(answer: bytes) -> tuple[bytes, int]:
        raise AssertionError("nothing should be packed")

    tested: AnswerCache[int, bytes] = AnswerCache(0, pack)
    tested.put(1, b"answer")
    assert tested.get(1) is None


def test_the_least_recently_used_answer_is_evicted() -> None:
    tested = cache(2 * (ENTRY_BYTES + 1))
    tested.put(1, b"a")
    tested.put(2, b"b")
    tested.get(1)
    tested.put(3, b"c")
    assert [tested.get(key) for key in (1, 2, 3)] == [b"a", None, b"c"]


def test_an_answer_larger_than_the_bound_evicts_no_other() -> None:
    evicted: list[int] = []
    tested = cache(2 * ENTRY_BYTES, evicted)
    tested.put(1, b"small")
    tested.put(2, bytes(4 * ENTRY_BYTES))
    assert (tested.get(1), tested.get(2), evicted) == (b"small", None, [])


def test_owned_rows_are_read_only_and_do_not_share_the_memory_of_their_batch() -> None:
    batch = np.arange(12, dtype=np.float32).reshape(3, 4)
    outputs = owned({"logits": batch[1]})
    assert not np.shares_memory(outputs["logits"], batch)
    assert outputs["logits"].base is None
    assert outputs["logits"].tolist() == [4, 5, 6, 7]
    with pytest.raises(ValueError, match="read-only"):
        outputs["logits"][0] = 0


def test_nbytes_counts_every_array() -> None:
    assert nbytes({"logits": np.zeros(10, np.float32), "attention": np.zeros((3, 4), np.float16)}) == 40 + 24
