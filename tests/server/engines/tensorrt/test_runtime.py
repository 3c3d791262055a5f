"""The engine on the stand-ins for TensorRT and CUDA: every run returns its own rows, and nothing leaks."""

import threading
from collections import Counter
from typing import Any

import numpy as np
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.engines.host_cuda import HostCuda
from tests.server.engines.tensorrt.machine import (
    BUCKETS,
    IDENTITY,
    PROFILES,
    check_run,
    machine,
    opened,
    random_images,
    usage_of,
)
from tests.server.engines.tensorrt.recipe import EXPLAINED, OUTPUTS, ROW, Recipe, answers
from tests.server.engines.tensorrt.recording import TensorRt
from tests.server.scheduling.fakes import ANYBODY, ToldWork
from vitscope.server.engines.classes import SIZES, TARGETS
from vitscope.server.engines.contract import Engine, Usage, class_slot
from vitscope.server.engines.tensorrt.plan import TensorRtError
from vitscope.server.engines.tensorrt.runtime import TensorRtEngine, TensorRtSlot
from vitscope.server.scheduling.cost import CostModel
from vitscope.server.scheduling.lane import Lane
from vitscope.server.scheduling.scheduler import Scheduler


def test_it_is_an_engine(trt: TensorRt) -> None:
    with opened() as opened_engine:
        engine: Engine = opened_engine
        assert (engine.identity, engine.max_batch, engine.profiles) == (IDENTITY, 12, PROFILES)
        slot = engine.slot()
        assert slot.pixels.shape == (12, *ROW)
        assert slot.pixels.dtype == np.uint8


def test_it_runs_the_first_rows_at_every_batch_size_in_every_profile(trt: TensorRt) -> None:
    with opened() as engine:
        slot = engine.slot()
        for n in (1, 12, *range(1, 13)):
            for profile in (0, 1):
                check_run(slot, n, seed=n, profile=profile)


def test_outputs_survive_the_next_run_and_the_engine(trt: TensorRt) -> None:
    with opened() as engine:
        slot = engine.slot()
        first = check_run(slot, 3, seed=1)
        check_run(slot, 3, seed=2)
    for name, values in answers(random_images(3, seed=1)).items():
        np.testing.assert_array_equal(first[name], values)


@pytest.mark.parametrize("n", [0, -1, 13])
def test_a_number_of_rows_that_does_not_fit_is_refused(trt: TensorRt, n: int) -> None:
    with opened() as engine, pytest.raises(ValueError, match=f"found {n}, accepted: 1 to 12"):
        engine.slot().run(n)


def test_only_the_rows_that_were_asked_for_are_copied(trt: TensorRt) -> None:
    with opened() as engine:
        slot = engine.slot()
        slot.run(12)
        trt.cuda.copies.clear()
        check_run(slot, 3)
    per_row = [int(np.prod(ROW)), *(4 * int(np.prod(row)) for row in OUTPUTS.values())]
    assert [size for _, size in trt.cuda.copies] == [3 * size for size in per_row]


def test_a_run_allocates_nothing_and_changes_no_context(trt: TensorRt) -> None:
    with opened() as engine:
        slot = engine.slot()
        versions = {id(context): context._version for context in trt.contexts}
        before = len(trt.cuda.calls)
        for n in range(1, 13):
            slot.run(n)
        assert {id(context): context._version for context in trt.contexts} == versions
    made = {name for name in trt.cuda.calls[before:] if "Alloc" in name or "Create" in name or "Instantiate" in name}
    assert made == set()


def test_small_batches_are_launched_as_graphs_and_the_rest_kernel_by_kernel(trt: TensorRt) -> None:
    with opened() as engine:
        slot = engine.slot()
        for n, launches in [(1, 1), (3, 1), (8, 1), (9, 0), (12, 0)]:
            before = Counter(trt.cuda.calls)["cudaGraphLaunch"]
            check_run(slot, n)
            assert Counter(trt.cuda.calls)["cudaGraphLaunch"] - before == launches, n


def test_it_runs_without_graphs_and_logs_that_once_for_each_size(trt: TensorRt) -> None:
    with structlog.testing.capture_logs() as logs, opened(Recipe(capturable=False)) as engine:
        slots = [engine.slot(), engine.slot()]
        for slot in slots:
            for n in (1, 3, 8, 9):
                check_run(slot, n)
        assert usage_of(engine).graph_runs == 0
    logged = [entry for entry in logs if "no CUDA graph" in entry["event"]]
    assert [entry["batch"] for entry in logged] == [1, 2, 4, 8]
    assert "cudaErrorStreamCaptureUnsupported" in logged[0]["reason"]


def test_it_counts_what_it_does(trt: TensorRt) -> None:
    with opened() as engine:
        first, second = engine.slot(), engine.slot()
        assert usage_of(engine) == Usage()
        first.run(3)
        second.run(12)
        second.run(8)
        usage = usage_of(engine)
        assert (usage.runs, usage.rows, usage.padding, usage.graph_runs) == (3, 23, 1, 2)
        assert min(usage.upload, usage.compute, usage.download) > 0
        assert (first.usage.rows, second.usage.rows) == (3, 20)


def test_it_reports_the_layers_whose_attention_is_one_kernel(trt: TensorRt) -> None:
    with opened() as engine:
        assert engine.status().fused_attention == 2
    assert engine.status().fused_attention is None, "it is closed"


def test_slots_run_at_the_same_time_without_mixing(trt: TensorRt) -> None:
    wrong: list[BaseException] = []

    def work(slot: TensorRtSlot, number: int) -> None:
        try:
            for turn in range(30):
                check_run(slot, 1 + (turn + number) % 12, seed=100 * number + turn, profile=1)
        except BaseException as error:
            wrong.append(error)

    with opened() as engine:
        threads = [threading.Thread(target=work, args=(engine.slot(), number)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert wrong == []


def test_two_engines_on_two_gpus_in_the_same_thread() -> None:
    with machine(gpus=2), opened(device=0) as first, opened(device=1) as second:
        slots = [first.slot(), second.slot(), first.slot()]
        for turn in range(3):
            for slot in slots:
                check_run(slot, 3, seed=turn)


def test_a_closed_slot_has_no_pixels(trt: TensorRt) -> None:
    with opened() as engine:
        slot = engine.slot()
        slot.close()
        slot.close()
        with pytest.raises(AttributeError):
            slot.pixels  # noqa: B018
        with pytest.raises(TensorRtError, match="it was closed"):
            slot.run(1)
    with pytest.raises(TensorRtError, match="is closed"):
        engine.slot()


def test_contexts_end_before_the_engine_and_that_before_the_runtime(trt: TensorRt) -> None:
    with opened() as engine:
        slots = [engine.slot(), engine.slot()]
        assert trt.ended == []
    engine.close()
    assert trt.ended == ["context"] * len(BUCKETS) * len(slots) + ["engine", "runtime"]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 12), st.integers(0, 1)), max_size=25))
def test_in_any_sequence_of_runs_each_returns_its_own_rows(runs: list[tuple[int, int, int]]) -> None:
    with machine(), opened() as engine:
        slots = [engine.slot() for _ in range(3)]
        for turn, (number, n, profile) in enumerate(runs):
            check_run(slots[number], n, seed=turn, profile=profile)


@settings(max_examples=25)
@given(st.data())
def test_any_plan_and_buckets_run(data: st.DataObject) -> None:
    largest = data.draw(st.integers(1, 20))
    buckets = tuple(sorted({*data.draw(st.sets(st.integers(1, largest))), largest}))
    outputs = data.draw(
        st.dictionaries(st.sampled_from("abc"), st.lists(st.integers(1, 4), max_size=3).map(tuple), min_size=1)
    )
    recipe = Recipe(outputs=outputs, ranges=[(1, 1, 1), (1, largest, largest)])
    with machine():
        engine = TensorRtEngine(recipe.plan, IDENTITY, PROFILES, buckets)
        slot = engine.slot()
        for n in data.draw(st.lists(st.integers(1, largest), max_size=6)):
            slot.pixels[:n] = images = random_images(n, seed=n)
            for name, values in answers(images, outputs).items():
                np.testing.assert_array_equal(slot.run(n)[name], values)
        engine.close()


def test_the_scheduler_serves_from_it(trt: TensorRt) -> None:
    count, done, lock, finished = 120, {}, threading.Lock(), threading.Event()

    def answered(number: int, result: Any) -> None:
        with lock:
            done[number] = result
            if len(done) == count:
                finished.set()

    with opened() as engine:
        scheduler, sizes = Scheduler(observe=lambda lane, n, seconds: sizes.append(n)), []
        costs = [CostModel({n: 1e-3 * n**0.5 for n in range(1, 13)}) for _ in PROFILES]
        lane = Lane("vit", 1, "classify", engine, costs, [engine.slot() for _ in range(3)])
        scheduler.add_lane(lane)

        def send(numbers: range) -> None:
            for number in numbers:
                work = ToldWork(
                    ANYBODY,
                    float("inf"),
                    lambda outputs, number=number: answered(number, outputs),
                    lambda error, number=number: answered(number, error),
                )
                scheduler.expect(lane, work)
                scheduler.submit(lane, work, random_images(1, seed=number)[0])

        senders = [threading.Thread(target=send, args=(range(start, count, 4),)) for start in range(4)]
        for sender in senders:
            sender.start()
        assert finished.wait(30)
        scheduler.close()
        assert usage_of(engine).rows == sum(sizes) == count
        assert max(sizes) > 1
    for number, outputs in done.items():
        for name, values in answers(random_images(1, seed=number)).items():
            np.testing.assert_array_equal(outputs[name], values[0])


def explaining() -> Recipe:
    return Recipe(inputs=("pixels", TARGETS), outputs=EXPLAINED)


def check_classes(slot: TensorRtSlot, n: int, columns: int, seed: int = 0) -> None:
    """Run random images and classes and assert that the outputs are right."""
    assert slot.classes is not None
    slot.pixels[:n] = images = random_images(n, seed)
    slot.classes[:n, :columns] = classes = np.random.default_rng(seed).integers(-5, 5, (n, columns))
    outputs = slot.run(n, columns=columns)
    for name, values in answers(images, EXPLAINED, classes).items():
        np.testing.assert_array_equal(outputs[name], values)
    assert (outputs["evidence"].dtype, outputs["evidence_class"].dtype) == (np.float32, np.int64)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 12), st.sampled_from(SIZES)), max_size=12))
def test_a_plan_that_explains_classes_runs_any_number_of_them(runs: list[tuple[int, int, int]]) -> None:
    with machine(), opened(explaining()) as engine:
        slots = [engine.slot() for _ in range(2)]
        assert class_slot(slots[0]) is slots[0]
        for turn, (number, n, columns) in enumerate(runs):
            check_classes(slots[number], n, columns, seed=turn)


def test_what_a_number_of_classes_needs_is_made_once(trt: TensorRt) -> None:
    with opened(explaining()) as engine:
        slot = engine.slot()
        for columns in SIZES:
            check_classes(slot, 2, columns)
        before = len(trt.cuda.calls)
        for columns in SIZES:
            check_classes(slot, 9, columns)
    made = {name for name in trt.cuda.calls[before:] if "Alloc" in name or "Create" in name or "Instantiate" in name}
    assert made == set()


def test_other_plans_explain_none(trt: TensorRt) -> None:
    with opened() as engine:
        assert class_slot(engine.slot()) is None


def test_closing_frees_everything_even_while_a_stream_has_work(trt: TensorRt) -> None:
    with opened() as engine:
        slot = engine.slot()
        slot._enqueue(3, slot._sets[1], slot._sets[1].buckets[2])
    cuda: HostCuda = trt.cuda
    assert cuda.leaks() == []
