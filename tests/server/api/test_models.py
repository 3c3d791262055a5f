import pytest

from vitscope.bundle.manifest import InputContract, Padding, Resize
from vitscope.server.api.models import to_input


@pytest.mark.parametrize("padding", [None, Padding(place="centre", fill=(124, 0, 255))])
def test_the_colour_of_the_padding_is_told(padding: Padding | None) -> None:
    resize = Resize(mode="letterbox" if padding else "squash", height=32, width=48, interpolation="bicubic")
    contract = InputContract(height=32, width=48, resize=resize, padding=padding, mean=(0, 0, 0), std=(1, 1, 1))
    assert tuple(to_input(contract).padding_color) == (padding.fill if padding else ())
