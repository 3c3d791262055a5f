"""What is inside of the encoder: chosen, checked against the model, and cut out of the outputs of the graph `full`."""
