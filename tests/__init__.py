"""The tests of all services."""

import os

# Processes are started while clients call: gRPC's handlers around a fork may crash or block the child.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # read when grpc is imported, which comes later
