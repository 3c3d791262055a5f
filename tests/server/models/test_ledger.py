"""What follows from what is in the folder."""

from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vitscope.server.models.ledger import Ledger
from vitscope.server.models.survey import Key, Stamp


def stamp(content: int) -> Stamp:
    """Content 3 and above shares its manifest with content 0 to 2: only other files differ."""
    return Stamp(f"manifest {content % 3}", f"files {content}")


@dataclass
class Server:
    """Does what the ledger says. `broken`: contents that cannot be loaded."""

    ledger: Ledger
    broken: set[Stamp] = field(default_factory=set)
    taken: list[tuple[str, Key]] = field(default_factory=list)

    def follow(self) -> None:
        self.taken.clear()
        while steps := self.ledger.steps():
            step = steps[0]
            assert len(self.taken) < 50, "it never ends"
            assert (step.kind, step.key) not in self.taken, "done twice"
            self.taken.append((step.kind, step.key))
            if step.kind == "drop":
                self._drop(step.key)
            elif (there := self.ledger.folder[step.key]) in self.broken:
                self.ledger.load_failed(step.key, there)
            else:
                self.ledger.loaded(step.key, there)

    def _drop(self, key: Key) -> None:
        last = key in self.ledger.serving and sum(other[0] == key[0] for other in self.ledger.serving) == 1
        self.ledger.dropped(key)
        if last:
            usable = [k for k, s in self.ledger.folder.items() if k[0] == key[0] and k not in self.ledger.held]
            assert all(self.ledger.failed.get(k) == self.ledger.folder[k] for k in usable), (
                "it could have been replaced"
            )

    def look(self, **folder: int) -> list[tuple[str, Key]]:
        """One look at a folder that holds these, by name such as a1; returns what was done."""
        self.ledger.looked({(name[0], int(name[1:])): stamp(content) for name, content in folder.items()})
        self.follow()
        return list(self.taken)

    @property
    def serving(self) -> set[str]:
        return {f"{name}{version}" for name, version in self.ledger.serving}


def test_a_change_counts_when_two_looks_agree() -> None:
    server = Server(Ledger())
    assert server.look(a1=0) == [("load", ("a", 1))]
    assert server.look(a1=0, a2=1) == []
    assert server.look(a1=0, a2=2) == [], "it is still being copied"
    assert server.look(a1=0, a2=2) == [("load", ("a", 2))]
    assert server.look(a1=0) == []
    assert server.look(a1=0) == [("drop", ("a", 2))]


def test_another_manifest_is_loaded_and_other_files_are_not() -> None:
    server = Server(Ledger())
    server.look(a1=0)
    assert server.look(a1=3) + server.look(a1=3) == []
    assert server.look(a1=1) + server.look(a1=1) == [("load", ("a", 1))]


def test_what_failed_is_tried_again_when_its_files_change() -> None:
    server = Server(Ledger(), broken={stamp(0), stamp(1)})
    server.look(a1=2, a2=0)
    assert (server.serving, list(server.ledger.failed)) == ({"a1"}, [("a", 2)])
    assert server.look(a1=2, a2=0) == []
    assert server.look(a1=2, a2=3) + server.look(a1=2, a2=3) == [("load", ("a", 2))]
    server.look(a1=1, a2=3)
    server.look(a1=1, a2=3)
    assert server.serving == {"a1", "a2"}, "what cannot be replaced goes on"
    assert ("a", 1) in server.ledger.failed
    server.look(a1=2, a2=3)
    server.look(a1=2, a2=3)
    assert not server.ledger.failed


def test_the_newest_are_kept_and_what_fails_leaves_its_place() -> None:
    server = Server(Ledger(keep=1), broken={stamp(2)})
    assert server.look(a1=0, a2=1, b1=0) == [("load", ("a", 2)), ("load", ("b", 1))]
    server.look(a1=0, a2=1, a3=2, b1=0)
    assert server.look(a1=0, a2=1, a3=2, b1=0) == [("load", ("a", 3))]
    assert server.serving == {"a2", "b1"}
    server.look(a1=0, a3=2, b1=0)
    assert server.look(a1=0, a3=2, b1=0) == [("load", ("a", 1)), ("drop", ("a", 2))]
    server.look(a1=0, a3=2, a4=0, b1=0)
    assert server.look(a1=0, a3=2, a4=0, b1=0) == [("load", ("a", 4)), ("drop", ("a", 1)), ("drop", ("a", 3))]


def test_what_can_be_let_go_does_not_wait_for_another_model() -> None:
    server = Server(Ledger())
    server.look(a1=0, b1=0, b2=0)
    server.look(a1=0, a2=0, b1=0)
    assert server.look(a1=0, a2=0, b1=0) == [("drop", ("b", 2)), ("load", ("a", 2))]


def test_what_is_removed_waits_for_no_load_where_another_version_serves() -> None:
    ledger = Ledger(keep=2)
    folder = {("a", version): stamp(0) for version in (1, 2, 3)}
    ledger.looked(folder)
    for version in (2, 3):
        ledger.loaded(("a", version), stamp(0))
    del folder["a", 3]
    ledger.looked(folder)
    ledger.looked(folder)
    assert [(step.kind, step.key) for step in ledger.steps()] == [("drop", ("a", 3)), ("load", ("a", 1))]
    ledger.dropped(("a", 3))
    del folder["a", 2]
    ledger.looked(folder)
    ledger.looked(folder)
    assert [(step.kind, step.key) for step in ledger.steps()] == [("load", ("a", 1))], "nothing else serves"


def test_files_that_could_not_be_loaded_anew_stay_in_mind() -> None:
    server = Server(Ledger())
    server.look(a1=0)
    server.look(a1=3)
    server.look(a1=3)
    server.ledger.load_failed(("a", 1), stamp(3))
    server.look(a1=3)
    assert server.ledger.failed == {("a", 1): stamp(3)}
    server.look(a1=0)
    server.look(a1=0)
    assert server.ledger.failed == {}


def test_what_was_asked_for_by_hand_and_failed_is_not_asked_for_again() -> None:
    server = Server(Ledger(keep=1), broken={stamp(0)})
    server.look(a1=0, a2=1)
    server.ledger.ask_for(("a", 1))
    server.follow()
    assert server.taken == [("load", ("a", 1))]
    assert list(server.ledger.failed) == [("a", 1)]


def test_by_hand() -> None:
    server = Server(Ledger(keep=1))
    server.look(a1=0, a2=0)
    server.ledger.hold(("a", 2))
    server.follow()
    assert server.taken == [("load", ("a", 1)), ("drop", ("a", 2))]
    assert server.ledger.why_not(("a", 2)) == "unloaded by hand"
    server.look(a1=0, a2=1)
    server.look(a1=0, a2=1)
    assert server.serving == {"a2"}, "its files have changed"
    server.ledger.ask_for(("a", 1))
    server.follow()
    assert server.serving == {"a1", "a2"}
    assert server.look(a1=0, a2=1) == []
    server.ledger.ask_for(("a", 2))
    server.ledger.hold(("a", 1))
    server.follow()
    assert server.serving == {"a2"}


versions = st.sampled_from([(name, version) for name in "ab" for version in (1, 2, 3)])
folders = st.dictionaries(versions, st.integers(0, 5).map(stamp))
orders = st.tuples(st.sampled_from(["ask_for", "hold"]), versions)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2), st.sets(st.integers(0, 5).map(stamp)), st.lists(folders | orders, max_size=12), folders)
def test_whatever_happened_before_the_folder_is_followed(
    keep: int, broken: set[Stamp], history: list[object], last: dict[Key, Stamp]
) -> None:
    server = Server(Ledger(keep), broken)
    ledger = server.ledger
    for event in history:
        if isinstance(event, dict):
            ledger.looked(event)
        elif isinstance(event, tuple) and event[1] in ledger.folder:
            getattr(ledger, event[0])(event[1])
        server.follow()
    for _ in range(2):
        before = dict(ledger.serving)
        ledger.looked(last)
        server.follow()

    assert ledger.folder == last
    assert ledger.serving.keys() <= last.keys() - ledger.held.keys()
    for name in "ab":
        able = sorted((k for k in last if k[0] == name and k not in ledger.held), reverse=True)
        able = [k for k in able if last[k] not in broken or k in before]
        expected = {k for at, k in enumerate(able) if not keep or at < keep or k in ledger.pinned}
        assert {k for k in ledger.serving if k[0] == name} == expected
    for key, served in ledger.serving.items():
        assert served.manifest == last[key].manifest or last[key] in broken
    server.follow()
    assert server.taken == []
