"""Tools that the agents of these tests have."""

ROLL_DICE = '''
def roll_dice(num_sides: int) -> int:
    """Rolls a die.

    Args:
        num_sides: How many sides it has.
    """
    return num_sides // 2
'''

WAIT = '''
def wait(seconds: float) -> str:
    """Does nothing for a while.

    Args:
        seconds: How long.
    """
    import time

    time.sleep(seconds)
    return "waited"
'''
