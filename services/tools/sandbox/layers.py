"""What keeps a call from the rest of the machine."""

from dataclasses import dataclass

ISOLATING = frozenset(("user", "mount", "pid", "net"))  # the namespaces that do what Landlock does, and more


@dataclass(frozen=True)
class Layers:
    """The layers that this machine gives. The limits on resources and the clean environment need nothing special."""

    namespaces: tuple[str, ...] = ()
    landlock: int = 0  # version of its interface (ABI); 0: none
    seccomp: bool = False

    @property
    def are_enough(self) -> bool:
        """Whether tools may run: system calls are filtered, and files guarded in one of two ways."""
        return self.seccomp and (self.landlock > 0 or set(self.namespaces) >= ISOLATING)

    @property
    def names(self) -> list[str]:
        """What there is, in words."""
        landlock = [f"landlock {self.landlock}"] if self.landlock else []
        return [*(f"{name} namespace" for name in self.namespaces), *landlock, *(["seccomp"] if self.seccomp else [])]

    def __str__(self) -> str:
        landlock = f"version {self.landlock}" if self.landlock else "none"
        return (
            f"namespaces: {' '.join(self.namespaces) or 'none'}; Landlock: {landlock}; "
            f"seccomp: {'on' if self.seccomp else 'none'}"
        )
