"""Installing packages, in a process of its own that runs no code of theirs."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services.tools.sandbox.job import Language
from services.tools.sandbox.zygote import READABLE

INSTALL_S = 300.0  # seconds
SHOWN_CHARS = 2000  # of what an installer says last: its error is there

# Variables that installers get: where packages come from, and how to get there. Nothing else of the service's own.
PASSED_ON = ("PIP_", "UV_", "NPM_CONFIG_", "XDG_CONFIG_")
PLACES = frozenset(("PATH", "HOME", "LANG", "TMPDIR"))
PROXIES = frozenset(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"))
CERTIFICATES = frozenset(
    ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
)
PIP = (
    "-I -m pip install --only-binary :all: --no-user --no-input --quiet --progress-bar off --root-user-action ignore "
    "--disable-pip-version-check"
)
# A shell sets it, as the event loop of the service (uvloop) starts no process with a umask of its own.
_WITH_UMASK = ("/bin/sh", "-c", f'umask {READABLE:03o} && exec "$@"', "sh")
NPM = "install --ignore-scripts --no-audit --no-fund --no-package-lock --no-progress --no-save"


class CannotInstall(Exception):
    """The packages could not be installed; the message has the installer's own words."""


@dataclass(frozen=True)
class Installer:
    """Runs pip and npm; `environment` is the service's, of which they get what concerns them.

    Only what is ready to use is installed: pip takes no packages that would have to be built, npm runs no scripts of
    packages and gets none with git, as that would run foreign code outside of the sandbox.
    """

    environment: Mapping[str, str]
    timeout_s: float = INSTALL_S

    async def install(self, language: Language, packages: Sequence[str], folder: Path) -> None:
        """Installs into a folder. Raises `CannotInstall`."""
        if language == "python":
            command = [sys.executable, *PIP.split(), "--target", str(folder), *packages]
        else:
            command = [*self._npm(), "--prefix", str(folder), *packages]
        process = await asyncio.create_subprocess_exec(
            *_WITH_UMASK,
            *command,
            cwd=folder,
            env=self._environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self.timeout_s):
                said, _ = await process.communicate()
        except TimeoutError as exc:
            raise CannotInstall(f"installing {', '.join(packages)} took longer than {self.timeout_s:g} s") from exc
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        if process.returncode != 0:
            words = said.decode(errors="replace").strip()[-SHOWN_CHARS:]
            raise CannotInstall(f"{', '.join(packages)} could not be installed: {words}")

    def _npm(self) -> list[str]:
        npm = shutil.which("npm", path=self.environment.get("PATH"))
        if not npm:
            raise CannotInstall("this server has no npm, which installs what tools in TypeScript need")
        return [npm, *NPM.split()]

    def _environment(self) -> dict[str, str]:
        passed = {name: value for name, value in self.environment.items() if _is_passed_on(name.upper())}
        if "UV_INDEX_URL" in passed:
            passed.setdefault("PIP_INDEX_URL", passed["UV_INDEX_URL"])
        return passed | {"npm_config_git": "false"}


def _is_passed_on(name: str) -> bool:
    return name in PLACES | PROXIES | CERTIFICATES or name.startswith(PASSED_ON)
