"""Callers get equal shares of time, whatever each of their items takes."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from vitscope.server.scheduling.shares import FairShares


def served(queue: FairShares[str, object], count: int) -> list[str]:
    """Return the callers of the next items."""
    return [popped[0] for _ in range(count) if (popped := queue.pop())]


def test_items_of_equal_length_take_turns() -> None:
    queue: FairShares[str, object] = FairShares()
    for caller in "aaaabbc":
        queue.push(caller, object(), 1.0)
    assert served(queue, 7) == list("abcabaa")
    assert queue.pop() is None


def test_a_caller_of_long_items_gets_fewer_of_them() -> None:
    queue: FairShares[str, object] = FairShares()
    for _ in range(30):
        queue.push("long", object(), 1.0)
        queue.push("short", object(), 0.1)
    first = Counter(served(queue, 22))
    assert first["short"] == 20
    assert first["long"] == 2


def test_who_took_longer_than_predicted_waits_longer() -> None:
    queue: FairShares[str, object] = FairShares()
    for caller in "abababab":
        queue.push(caller, object(), 1.0)
    assert served(queue, 1) == ["a"]
    queue.charge("a", 2.5)
    assert served(queue, 7) == list("bbbbaaa")


def test_a_charge_is_kept_while_the_caller_has_nothing_queued() -> None:
    queue: FairShares[str, object] = FairShares()
    queue.push("a", object(), 1.0)
    queue.push("b", object(), 1.0)
    queue.push("b", object(), 1.0)
    assert served(queue, 1) == ["a"]
    queue.charge("a", 5.0)
    queue.push("a", object(), 1.0)
    assert served(queue, 3) == ["b", "b", "a"]


def test_idleness_earns_nothing() -> None:
    queue: FairShares[str, object] = FairShares()
    for _ in range(10):
        queue.push("busy", object(), 1.0)
    served(queue, 5)
    for _ in range(5):
        queue.push("new", object(), 1.0)
    assert sorted(Counter(served(queue, 4)).values()) == [2, 2]


def test_new_callers_that_keep_coming_do_not_go_before_one_that_waits() -> None:
    queue: FairShares[str, object] = FairShares()
    queue.push("old", object(), 1.0)
    queue.push("other", object(), 1.0)
    queue.pop()
    queue.push("old", object(), 1.0)  # its clock is ahead of that of anybody new
    order = []
    for number in range(5):
        queue.push(f"new {number}", object(), 1.0)
        order += served(queue, 1)
    assert "old" in order[:3]


def test_only_callers_that_may_are_served() -> None:
    queue: FairShares[str, object] = FairShares()
    queue.push("a", object(), 1.0)
    queue.push("b", object(), 2.0)
    assert queue.waiting(lambda caller: caller != "a") == 1
    popped = queue.pop(lambda caller: caller != "a")
    assert popped is not None
    assert popped[0] == "b"
    assert queue.pop(lambda caller: caller != "a") is None
    assert served(queue, 1) == ["a"]


def test_removal_is_by_identity() -> None:
    queue: FairShares[str, object] = FairShares()
    items = [[], []]  # equal, but not the same
    for item in items:
        queue.push("a", item, 1.0)
    assert queue.remove("a", items[1])
    assert not queue.remove("a", items[1])
    assert not queue.remove("b", items[0])
    popped = queue.pop()
    assert popped is not None
    assert popped[1] is items[0]


def test_seconds_ahead_of_a_new_item() -> None:
    queue: FairShares[str, object] = FairShares()
    assert queue.seconds_ahead("a") == 0
    for _ in range(100):
        queue.push("greedy", object(), 0.5)
    assert queue.seconds_ahead("a") == 0.5  # one turn of the other
    assert queue.seconds_ahead("greedy") == 50
    assert queue.seconds_ahead("a", lambda caller: caller != "greedy") == 0


def test_callers_that_are_gone_are_forgotten() -> None:
    queue: FairShares[str, object] = FairShares()
    for number in range(10_000):
        queue.push(f"caller {number}", object(), 1.0)
        queue.pop()
    assert len(queue._clocks) < 200
    queue.forget()
    assert not queue._clocks


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.001, 10)), max_size=60))
def test_shares_differ_by_at_most_two_items_while_all_wait(pushed: list[tuple[str, float]]) -> None:
    queue: FairShares[str, object] = FairShares()
    for caller, seconds in pushed:
        queue.push(caller, object(), seconds)
    waiting, had = Counter(caller for caller, _ in pushed), Counter[str]()
    longest = max((seconds for _, seconds in pushed), default=0)
    everybody = set(waiting)
    while popped := queue.pop():
        caller, _, seconds = popped
        waiting[caller] -= 1
        if all(waiting[one] > 0 for one in everybody - {caller}):
            had[caller] += seconds
            shares = [had[one] for one in everybody]
            assert max(shares) - min(shares) <= 2 * longest + 1e-6
        else:
            break
    assert len(queue) == sum(waiting.values())
