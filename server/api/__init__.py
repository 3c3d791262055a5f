"""Transports only: requests in, calls of the answer service, answers and errors out. One folder for each.

health, models, rpcs, deadlines, status and listeners are what the gRPC services have in common.
"""
