"""What to do with a send that finds its conversation busy."""

from typing import Literal

# `reject`: refuse it. `enqueue`: let it wait for its turn. `interrupt`: stop the current run, which keeps what it has
# committed, and go next. `rollback`: stop the current run, take its turn out of the context, and go next.
OnBusy = Literal["reject", "enqueue", "interrupt", "rollback"]
