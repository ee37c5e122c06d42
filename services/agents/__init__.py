"""The agents service. It starts processes beside a gRPC server, whose fork handlers, on by default, may crash them."""

import os

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # read when grpc is imported, which comes later
