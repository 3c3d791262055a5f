"""Equal requests to a slow model: shared while they are in flight, cached if the server has a cache."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.e2e.harness import RunningServer, numbered
from vitscope import Client
from vitscope.client.result import Result


def computed(server: RunningServer) -> float:
    return server.metric("vitscope_batch_size_sum")


def logits(result: Result) -> list[tuple[int, float]]:
    return [(one.index, one.logit) for one in result.classes]


def test_equal_requests_in_flight_are_computed_once_whatever_else_they_ask_for(
    heavy_models: Path, photo: bytes
) -> None:
    with RunningServer(heavy_models) as server, Client(server.address) as client, ThreadPoolExecutor(16) as pool:
        before = computed(server)
        # The others keep the engine busy, so that equal ones meet in the queue.
        others = [pool.submit(client.classify, numbered(photo, number)) for number in range(8)]
        equal = [pool.submit(client.classify, photo, top_k=1 + number) for number in range(8)]
        origins = Counter(one.result().timing.origin for one in (*equal, *others))
        assert computed(server) - before == origins["computed"] < 16
        assert origins["shared"] == server.metric("vitscope_repeats_total", how="shared") > 0
        assert [len(one.result().classes) for one in equal] == [1, 2, 3, 4, 5, 5, 5, 5]  # it has five
        assert len({logits(one.result())[0] for one in equal}) == 1
        again = client.classify(photo)  # nothing is kept unless that was asked for
        assert again.timing.origin == "computed"
        assert logits(again)[0] == logits(equal[0].result())[0]


def test_with_a_cache_repeats_are_answered_without_computing(heavy_models: Path, photo: bytes) -> None:
    with RunningServer(heavy_models, "--cache-mib", "1") as server, Client(server.address) as client:
        first = client.classify(photo, attention="last")
        before = computed(server)
        second = client.classify(photo, attention="last")
        assert (first.timing.origin, second.timing.origin) == ("computed", "cached")
        assert logits(first) == logits(second)
        assert (first.maps[0].values == second.maps[0].values).all()
        assert second.raw.geometry == first.raw.geometry
        assert second.timing.stages["infer"] == 0
        other = client.classify(numbered(photo, 1), attention="last")  # one byte makes another image
        assert other.timing.origin == "computed"
        assert computed(server) - before == 1
        assert 0 < server.metric("vitscope_cache_bytes") <= 2**20
