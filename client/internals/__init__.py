"""What is inside of the encoder: the request of `explain`, and its reply put together."""
