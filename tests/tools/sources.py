"""Sources of tools."""

from textwrap import indent


def tool_source(body: str = "return None", *, name: str = "probe", parameters: str = "", documented: str = "") -> str:
    """A tool with this body; `documented` are the lines under Args."""
    arguments = f"\n\n    Args:\n{indent(documented, '        ')}" if documented else ""
    return f'def {name}({parameters}):\n    """Does something.{arguments}\n    """\n{indent(body, "    ")}\n'


def roll_dice(name: str = "roll_dice") -> str:
    """A tool with one parameter."""
    return tool_source("return num_sides", name=name, parameters="num_sides: int", documented="num_sides (int): Sides.")


def sleeping_source(mark: str, *, then: str) -> str:
    """A tool whose child can be told by its arguments; it prints when that runs.

    The child has a session of its own, unless the sandbox refuses that.
    """
    return tool_source(
        "import subprocess, time\nfor apart in (True, False):\n"
        f"    try: subprocess.Popen(['sleep', '{mark}'], start_new_session=apart)\n"
        "    except PermissionError: continue\n    break\n"
        f"print('started', flush=True)\n{then}"
    )
