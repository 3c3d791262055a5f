"""State of a model version, and what is said about it."""

from vitscope.server.models.status import State, Status


def test_each_change_is_reported() -> None:
    reported: list[tuple[State, str]] = []
    status = Status(lambda: reported.append((status.state, status.detail)))
    status.set(State.FAILED, "it is broken")
    status.set(State.READY)
    status.set_outdated("the new one is broken")
    assert reported == [
        (State.FAILED, "it is broken"),
        (State.READY, ""),
        (State.READY, "the bundle that is in its place now could not be loaded: the new one is broken"),
    ]


def test_the_detail_has_the_reason_and_what_is_outdated() -> None:
    status = Status(lambda: None)
    assert (status.state, status.detail) == (State.LOADING, "waiting to be loaded")
    status.set(State.READY, "a better engine is being built")
    status.set_outdated("the new one is broken")
    assert status.detail == (
        "a better engine is being built; the bundle that is in its place now could not be loaded: the new one is broken"
    )


def test_only_a_ready_version_with_a_reason_is_degraded() -> None:
    status = Status(lambda: None)
    assert not status.degraded
    status.set(State.READY, "a better engine is being built")
    assert status.degraded
    status.set(State.READY)
    status.set_outdated("the new one is broken")
    assert not status.degraded
    status.set(State.FAILED, "it is broken")
    assert not status.degraded
