"""One caller for each connection and kind of request, for as long as it is used."""

import gc

from vitscope.server.scheduling.callers import Callers


async def test_a_connection_is_one_caller_for_single_requests_and_one_for_streams() -> None:
    callers = Callers()
    single, bulk = callers.find("peer", bulk=False), callers.find("peer", bulk=True)
    assert single is not bulk
    assert callers.find("peer", bulk=False) is single
    assert callers.find("another", bulk=False) is not single


async def test_a_caller_without_requests_is_forgotten() -> None:
    callers = Callers()
    caller = callers.find("peer", bulk=False)
    assert len(callers) == 1
    del caller
    gc.collect()
    assert len(callers) == 0
