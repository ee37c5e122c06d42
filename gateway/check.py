"""Has Envoy read the configuration: `python gateway/check.py`, or `make check-gateway`."""

import subprocess
import sys
import tempfile

from services.cli.embedded.envoy import find_envoy
from services.cli.embedded.gateway_config import Gateway
from services.cli.stack import SERVICES


def main() -> int:
    """Checks both forms: services on unix sockets of one machine, and behind names of a network."""
    local = Gateway("127.0.0.1:8283", {name: [f"unix:/run/{name}.sock"] for name in SERVICES})
    network = Gateway("0.0.0.0:8283", {name: [f"{name}:50051"] for name in SERVICES}, hosts=["perdure.example"])
    return max(validate(local), validate(network))


def validate(gateway: Gateway) -> int:
    """Envoy's verdict, as an exit code; what it complains of goes to stderr."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
        config.write(gateway.render())
        config.flush()
        command = [str(find_envoy()), "--mode", "validate", "--log-level", "error", "--config-path", config.name]
        return subprocess.run(command, check=False, stdout=sys.stderr).returncode


if __name__ == "__main__":
    sys.exit(main())
