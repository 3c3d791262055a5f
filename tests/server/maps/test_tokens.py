"""Which token a request means."""

import pytest

from tests.server.maps.samples_full import TOKENS
from vitscope.server.errors import InvalidRequest
from vitscope.server.maps.tokens import Patch, index_of


def test_patches_come_after_the_prefix_row_by_row() -> None:
    assert [index_of(token, TOKENS) for token in (0, 7, Patch(0, 0), Patch(0, 2), Patch(1, 0), Patch(1, 2))] == [
        0, 7, 2, 4, 5, 7,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (8, "token: 8; accepted: 0 to 7"),
        (-1, "token: -1; accepted: 0 to 7"),
        (Patch(2, 0), "patch: row 2, column 0; accepted: row 0 to 1, column 0 to 2"),
        (Patch(0, 3), "patch: row 0, column 3; accepted: row 0 to 1, column 0 to 2"),
    ],
)
def test_one_that_is_not_there_is_refused(token: int | Patch, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        index_of(token, TOKENS)
    assert str(refused.value) == message
