"""Which connection goes when there are too many."""

from typing import cast

from vitscope.server.api.connections import Connection, Connections


class Idle:
    """A connection, as far as its number is concerned."""

    def __init__(self, address: str, since: float, answering: bool = False) -> None:
        self.address, self.since, self.answering = address, since, answering
        self.ended = ""

    def end(self, reason: str) -> None:
        self.ended = reason


def add(connections: Connections, *idle: Idle) -> None:
    for each in idle:
        connections.add(cast(Connection, each))


def test_who_has_most_loses_the_one_that_waited_longest() -> None:
    connections = Connections(4)
    probe, greedy = Idle("probe", 0.0), [Idle("greedy", float(number)) for number in range(1, 5)]
    add(connections, probe, *greedy)
    assert [each.ended for each in (probe, *greedy)] == ["", "limit", "", "", ""]
    assert len(connections) == 4


def test_whoever_waits_for_an_answer_keeps_the_connection_if_another_can_go() -> None:
    connections = Connections(2)
    busy = [Idle("a", 0.0, answering=True), Idle("a", 1.0, answering=True)]
    late = Idle("a", 2.0)
    add(connections, *busy, late)
    assert [each.ended for each in (*busy, late)] == ["", "", "limit"]
    probe = Idle("b", 3.0)
    add(connections, probe)
    assert [each.ended for each in (*busy, probe)] == ["limit", "", ""]
