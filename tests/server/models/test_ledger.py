"""Steps that follow from the contents of the folder."""

from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vitscope.server.models.key import ModelKey
from vitscope.server.models.ledger import Ledger
from vitscope.server.models.survey import Stamp


def stamp(content: int) -> Stamp:
    """Return the stamp of a content. Contents 3 to 5 have the manifests of 0 to 2, and other files."""
    return Stamp(f"manifest {content % 3}", f"files {content}")


@dataclass
class Server:
    """Takes the steps of the ledger. broken: contents that cannot be loaded."""

    ledger: Ledger
    broken: set[Stamp] = field(default_factory=set)
    taken: list[tuple[str, ModelKey]] = field(default_factory=list)

    def take_steps(self) -> None:
        self.taken.clear()
        while steps := self.ledger.steps():
            step = steps[0]
            assert len(self.taken) < 50, "it never ends"
            assert (step.kind, step.key) not in self.taken, "done twice"
            self.taken.append((step.kind, step.key))
            if step.kind == "retire":
                self._retire(step.key)
            elif (there := self.ledger.folder[step.key]) in self.broken:
                self.ledger.load_failed(step.key, there)
            else:
                self.ledger.loaded(step.key, there)

    def _retire(self, key: ModelKey) -> None:
        last = key in self.ledger.serving and sum(other.name == key.name for other in self.ledger.serving) == 1
        self.ledger.retired(key)
        if last:
            usable = [k for k, s in self.ledger.folder.items() if k.name == key.name and k not in self.ledger.held]
            assert all(self.ledger.failed.get(k) == self.ledger.folder[k] for k in usable), (
                "it could have been replaced"
            )

    def survey(self, **folder: int) -> list[tuple[str, ModelKey]]:
        """Survey a folder that holds these versions, named as in a1; return the steps taken."""
        self.ledger.observe({ModelKey(name[0], int(name[1:])): stamp(content) for name, content in folder.items()})
        self.take_steps()
        return list(self.taken)

    @property
    def serving(self) -> set[str]:
        return {f"{name}{version}" for name, version in self.ledger.serving}


def test_a_model_whose_folder_cannot_be_read_keeps_its_versions() -> None:
    server = Server(Ledger())
    server.survey(a1=0, a2=1, b1=0)
    for _ in range(3):
        assert server.survey(a0=5, b1=0) == []
    assert server.serving == {"a1", "a2", "b1"}
    server.survey(a2=1, b1=0)
    assert server.survey(a2=1, b1=0) == [("retire", ModelKey("a", 1))]


def test_a_model_that_could_never_be_read_has_failed_until_it_can_be() -> None:
    server = Server(Ledger(), broken={stamp(5)})
    server.survey(a0=5, b1=0)
    assert (server.serving, server.ledger.failed.keys()) == ({"b1"}, {ModelKey.of_unreadable("a")})
    server.survey(a1=0, b1=0)
    server.survey(a1=0, b1=0)
    assert (server.serving, server.ledger.failed.keys()) == ({"a1", "b1"}, set())


def test_a_change_counts_when_two_surveys_agree() -> None:
    server = Server(Ledger())
    assert server.survey(a1=0) == [("load", ("a", 1))]
    assert server.survey(a1=0, a2=1) == []
    assert server.survey(a1=0, a2=2) == [], "it is still being copied"
    assert server.survey(a1=0, a2=2) == [("load", ("a", 2))]
    assert server.survey(a1=0) == []
    assert server.survey(a1=0) == [("retire", ("a", 2))]


def test_another_manifest_is_loaded_and_other_files_are_not() -> None:
    server = Server(Ledger())
    server.survey(a1=0)
    assert server.survey(a1=3) + server.survey(a1=3) == []
    assert server.survey(a1=1) + server.survey(a1=1) == [("load", ("a", 1))]


def test_a_version_that_failed_is_tried_again_when_its_files_change() -> None:
    server = Server(Ledger(), broken={stamp(0), stamp(1)})
    server.survey(a1=2, a2=0)
    assert (server.serving, list(server.ledger.failed)) == ({"a1"}, [("a", 2)])
    assert server.survey(a1=2, a2=0) == []
    assert server.survey(a1=2, a2=3) + server.survey(a1=2, a2=3) == [("load", ("a", 2))]
    server.survey(a1=1, a2=3)
    server.survey(a1=1, a2=3)
    assert server.serving == {"a1", "a2"}, "what cannot be replaced serves on"
    assert ("a", 1) in server.ledger.failed
    server.survey(a1=2, a2=3)
    server.survey(a1=2, a2=3)
    assert not server.ledger.failed


def test_the_newest_are_kept_and_a_failed_one_leaves_its_place() -> None:
    server = Server(Ledger(keep=1), broken={stamp(2)})
    assert server.survey(a1=0, a2=1, b1=0) == [("load", ("a", 2)), ("load", ("b", 1))]
    server.survey(a1=0, a2=1, a3=2, b1=0)
    assert server.survey(a1=0, a2=1, a3=2, b1=0) == [("load", ("a", 3))]
    assert server.serving == {"a2", "b1"}
    server.survey(a1=0, a3=2, b1=0)
    assert server.survey(a1=0, a3=2, b1=0) == [("load", ("a", 1)), ("retire", ("a", 2))]
    server.survey(a1=0, a3=2, a4=0, b1=0)
    assert server.survey(a1=0, a3=2, a4=0, b1=0) == [("load", ("a", 4)), ("retire", ("a", 1)), ("retire", ("a", 3))]


def test_retirement_does_not_wait_for_the_load_of_another_model() -> None:
    server = Server(Ledger())
    server.survey(a1=0, b1=0, b2=0)
    server.survey(a1=0, a2=0, b1=0)
    assert server.survey(a1=0, a2=0, b1=0) == [("retire", ("b", 2)), ("load", ("a", 2))]


def test_a_removed_version_waits_for_no_load_if_another_version_serves() -> None:
    ledger = Ledger(keep=2)
    folder = {ModelKey("a", version): stamp(0) for version in (1, 2, 3)}
    ledger.observe(folder)
    for version in (2, 3):
        ledger.loaded(ModelKey("a", version), stamp(0))
    del folder[ModelKey("a", 3)]
    ledger.observe(folder)
    ledger.observe(folder)
    assert [(step.kind, step.key) for step in ledger.steps()] == [("retire", ("a", 3)), ("load", ("a", 1))]
    ledger.retired(ModelKey("a", 3))
    del folder[ModelKey("a", 2)]
    ledger.observe(folder)
    ledger.observe(folder)
    assert [(step.kind, step.key) for step in ledger.steps()] == [("load", ("a", 1))], "nothing else serves"


def test_files_that_could_not_be_reloaded_count_as_failed_until_they_are_restored() -> None:
    server = Server(Ledger())
    server.survey(a1=0)
    server.survey(a1=3)
    server.survey(a1=3)
    server.ledger.load_failed(ModelKey("a", 1), stamp(3))
    server.survey(a1=3)
    assert server.ledger.failed == {("a", 1): stamp(3)}
    server.survey(a1=0)
    server.survey(a1=0)
    assert server.ledger.failed == {}


def test_a_version_that_was_requested_and_failed_is_not_loaded_again() -> None:
    server = Server(Ledger(keep=1), broken={stamp(0)})
    server.survey(a1=0, a2=1)
    server.ledger.request_load(ModelKey("a", 1))
    server.take_steps()
    assert server.taken == [("load", ("a", 1))]
    assert list(server.ledger.failed) == [("a", 1)]


def test_requests_by_hand() -> None:
    server = Server(Ledger(keep=1))
    server.survey(a1=0, a2=0)
    server.ledger.request_unload(ModelKey("a", 2))
    server.take_steps()
    assert server.taken == [("load", ("a", 1)), ("retire", ("a", 2))]
    assert server.ledger.why_not_served(ModelKey("a", 2)) == "unloaded by hand"
    server.survey(a1=0, a2=1)
    server.survey(a1=0, a2=1)
    assert server.serving == {"a2"}, "its files have changed"
    server.ledger.request_load(ModelKey("a", 1))
    server.take_steps()
    assert server.serving == {"a1", "a2"}
    assert server.survey(a1=0, a2=1) == []
    server.ledger.request_load(ModelKey("a", 2))
    server.ledger.request_unload(ModelKey("a", 1))
    server.take_steps()
    assert server.serving == {"a2"}


versions = st.sampled_from([ModelKey(name, version) for name in "ab" for version in (1, 2, 3)])
folders = st.dictionaries(versions, st.integers(0, 5).map(stamp))
requests = st.tuples(st.sampled_from(["request_load", "request_unload"]), versions)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2), st.sets(st.integers(0, 5).map(stamp)), st.lists(folders | requests, max_size=12), folders)
def test_whatever_happened_before_the_folder_is_followed(
    keep: int, broken: set[Stamp], history: list[object], last: dict[ModelKey, Stamp]
) -> None:
    server = Server(Ledger(keep), broken)
    ledger = server.ledger
    for event in history:
        if isinstance(event, dict):
            ledger.observe(event)
        elif isinstance(event, tuple) and event[1] in ledger.folder:
            getattr(ledger, event[0])(event[1])
        server.take_steps()
    for _ in range(2):
        before = dict(ledger.serving)
        ledger.observe(last)
        server.take_steps()

    assert ledger.folder == last
    assert ledger.serving.keys() <= last.keys() - ledger.held.keys()
    for name in "ab":
        able = sorted((k for k in last if k.name == name and k not in ledger.held), reverse=True)
        able = [k for k in able if last[k] not in broken or k in before]
        expected = {k for at, k in enumerate(able) if not keep or at < keep or k in ledger.pinned}
        assert {k for k in ledger.serving if k.name == name} == expected
    for key, served in ledger.serving.items():
        assert served.manifest == last[key].manifest or last[key] in broken
    server.take_steps()
    assert server.taken == []
