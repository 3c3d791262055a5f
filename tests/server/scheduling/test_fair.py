"""Callers take turns, and no item is lost."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitscope.server.scheduling.fair import FairQueue, turns_ahead


def test_callers_take_turns_and_each_is_first_in_first_out() -> None:
    queue: FairQueue[str, int] = FairQueue()
    for number in range(4):
        queue.push("a", number)
    queue.push("b", 10)
    queue.push("c", 20)
    queue.push("b", 11)
    assert [queue.pop() for _ in range(len(queue))] == [0, 10, 20, 1, 11, 2, 3]
    with pytest.raises(LookupError):
        queue.pop()


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("push"), st.integers(0, 3)),
            st.tuples(st.just("pop"), st.none()),
            st.tuples(st.just("remove"), st.integers(0, 100)),
            st.tuples(st.just("restore"), st.none()),
        ),
        max_size=80,
    )
)
def test_it_holds_what_was_pushed_and_each_callers_items_stay_in_order(steps: list[tuple[str, int | None]]) -> None:
    queue: FairQueue[int, object] = FairQueue()
    expected: dict[int, deque[object]] = {caller: deque() for caller in range(4)}
    owner: dict[object, int] = {}
    last: object | None = None
    for step, value in steps:
        if step == "push":
            assert value is not None
            item = object()
            owner[item] = value
            queue.push(value, item)
            expected[value].append(item)
        elif step == "pop" and len(queue):
            head = queue.peek()
            last = queue.pop()
            assert head is last
            assert expected[owner[last]].popleft() is last
        elif step == "restore" and last is not None:
            queue.restore(owner[last], last)
            expected[owner[last]].appendleft(last)
            last = None
        elif step == "remove":
            assert value is not None
            everything = list(queue)
            if everything:
                item = everything[value % len(everything)]
                assert queue.remove(owner[item], item)
                assert not queue.remove(owner[item], item)
                expected[owner[item]].remove(item)
        assert len(queue) == sum(map(len, expected.values()))
        assert queue.counts == {caller: len(items) for caller, items in expected.items() if items}
        assert sorted(map(id, queue)) == sorted(id(item) for items in expected.values() for item in items)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=6), st.integers(0, 5))
def test_turns_ahead_is_the_number_of_items_that_go_first(counts: list[int], who: int) -> None:
    queue: FairQueue[int, object] = FairQueue()
    for caller, count in enumerate(counts):
        for _ in range(count):
            queue.push(caller, object())
    mine = object()
    predicted = turns_ahead(queue.counts, who)
    queue.push(who, mine)
    before = 0
    while queue.pop() is not mine:
        before += 1
    # A caller who has items in the queue already may be nearer its head than the others.
    assert before <= predicted <= before + len(counts)
    if not (who < len(counts) and counts[who]):
        assert before == predicted
