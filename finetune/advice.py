"""What to expect, said before training where it is likely to disappoint."""

FEW = 1000


def small_data(images: int, base: str | None) -> str | None:
    """Return advice for few images and random weights, else None."""
    if base or images >= FEW:
        return None
    return (
        f"Note: {images:,} images are few for a model that starts from random weights. Expect it to learn colours and "
        "textures, and little more. With --base it starts from a model that has seen millions of images, and a "
        "hundred of yours go a long way. A base is any image classification checkpoint or backbone of the Hugging "
        "Face hub, for example --base facebook/dinov2-small, or a folder with one."
    )
