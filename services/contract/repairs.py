"""Repairs of histories."""

from pydantic import BaseModel


class RepairedConversation(BaseModel):
    """What was wrong with the history of a conversation; an agent's own history goes by the agent's id."""

    conversation_id: str
    problems: list[str]


class RepairAnswer(BaseModel):
    """Which conversations of an agent were repaired, and which were left alone because a run was active in them."""

    repaired: list[RepairedConversation] = []
    busy: list[str] = []
