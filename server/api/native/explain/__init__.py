"""vitscope.v1.ExplainService: requests to `Ask`, what is inside of the encoder to messages."""
