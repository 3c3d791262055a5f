import mmap

from vitscope.server.host.memory import give_back, resident_bytes


def test_the_memory_of_this_process_is_seen_to_grow() -> None:
    before = resident_bytes()
    with mmap.mmap(-1, 64 * 2**20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as grown:
        grown.write(b"\1" * len(grown))
        assert resident_bytes() - before > 48 * 2**20


def test_memory_can_be_given_back() -> None:
    give_back()
    assert resident_bytes() > 0
