"""vitscope.v1.ClassifierService and vitscope.v1.ExplainService over gRPC."""

from vitscope.server.answer.service import Service
from vitscope.server.api.listeners import GrpcService
from vitscope.server.api.native.explain.servicer import ExplainServicer
from vitscope.server.api.native.servicer import ClassifierServicer
from vitscope.server.models.repository import Repository
from vitscope.server.scheduling.transit import Transit
from vitscope.v1 import classifier_pb2, classifier_pb2_grpc, explain_pb2, explain_pb2_grpc


def grpc_services(service: Service, repository: Repository, transit: Transit, stream_window: int) -> list[GrpcService]:
    """Return the transport, for a gRPC listener. stream_window: items of one stream worked on at a time."""
    classifier = ClassifierServicer(service, repository, transit, stream_window)
    explain = ExplainServicer(service, transit)
    return [
        GrpcService.of(classifier_pb2, "ClassifierService", classifier_pb2_grpc, classifier, gated=("Classify",)),
        GrpcService.of(explain_pb2, "ExplainService", explain_pb2_grpc, explain, gated=("Explain",)),
    ]
