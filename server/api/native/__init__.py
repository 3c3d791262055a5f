"""vitscope.v1.ClassifierService over gRPC."""

from vitscope.server.answer.service import Service
from vitscope.server.api.listeners import GrpcService
from vitscope.server.api.native.servicer import ClassifierServicer
from vitscope.server.models.repository import Repository
from vitscope.server.scheduling.transit import Transit
from vitscope.v1 import classifier_pb2, classifier_pb2_grpc


def grpc_service(service: Service, repository: Repository, transit: Transit, stream_window: int) -> GrpcService:
    """Return the transport, for a gRPC listener. stream_window: items of one stream worked on at a time."""
    servicer = ClassifierServicer(service, repository, transit, stream_window)
    return GrpcService.of(classifier_pb2, "ClassifierService", classifier_pb2_grpc, servicer, gated=("Classify",))
