"""The parity certificate: reference, images, engines and the comparison."""
