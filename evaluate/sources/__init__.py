"""What can be evaluated: a checkpoint, a bundle, a model on a server. Each answers paths with logits."""
