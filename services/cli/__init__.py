"""The `perdure` command: the whole stack on one machine."""
