"""The use case under every transport: one image and what is asked about it in, an answer with an outcome out."""
