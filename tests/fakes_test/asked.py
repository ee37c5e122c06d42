"""What the tests ask of the model, and the tool they offer."""

from typing import Any

ROLL = "Call the roll_dice tool with 16 sides and reply back to me with the outcome."
ROLL_THREE = "Call the roll_dice tool three times in parallel, with num_sides=6, num_sides=12, and num_sides=20."
GREET = "This is a test. Reply with the message 'It's a fine day'."

SIDES: dict[str, Any] = {
    "type": "object",
    "properties": {"num_sides": {"type": "integer"}},
    "required": ["num_sides"],
    "additionalProperties": False,
}
CAPITAL: dict[str, Any] = {
    "type": "object",
    "properties": {"response": {"type": "string"}, "certain": {"type": "boolean"}},
    "required": ["response", "certain"],
    "additionalProperties": False,
}
