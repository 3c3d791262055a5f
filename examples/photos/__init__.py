"""An example on real photos: DINOv2 with a linear probe, made by `python -m examples.photos`."""
