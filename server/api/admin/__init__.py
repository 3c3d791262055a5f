"""vitscope.v1.AdminService over gRPC, on an address of its own."""

from vitscope.server.api.admin.servicer import AdminServicer
from vitscope.server.api.listeners import GrpcService
from vitscope.server.models.control import ModelControl
from vitscope.server.models.repository import Repository
from vitscope.v1 import admin_pb2, admin_pb2_grpc


def grpc_service(control: ModelControl, repository: Repository) -> GrpcService:
    """Return the transport, for a gRPC listener."""
    return GrpcService.of(admin_pb2, "AdminService", admin_pb2_grpc, AdminServicer(control, repository))
