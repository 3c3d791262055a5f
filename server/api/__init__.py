"""The transports, one folder each: they turn requests into calls of the answer service, and answers into replies.

The modules health, models, rpcs, deadlines, status and listeners are shared by the gRPC services.
"""
