"""Transports only: gRPC and HTTP in, domain calls out, domain errors to status codes."""
