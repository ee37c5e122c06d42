"""Variables for the environment of an agent's tools, encrypted at rest."""

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, insert, select

from services.agents.agents.tables import agent_variables
from services.common import ids
from services.common.database import Transaction
from services.common.secrets import SecretBox
from services.contract.agents import EnvironmentVariable

_of_agents = select(agent_variables).order_by(agent_variables.c.agent_id, agent_variables.c.key)


class PostgresVariables:
    """The table of variables. Every method runs in the transaction of its caller."""

    def __init__(self, secrets: SecretBox) -> None:
        self._secrets = secrets

    async def replace(self, tx: Transaction, organization_id: str, agent_id: str, variables: Mapping[str, str]) -> None:
        """Gives an agent exactly these variables: two statements, one for none."""
        given = agent_variables.c.agent_id == agent_id, agent_variables.c.organization_id == organization_id
        await tx.execute(delete(agent_variables).where(*given))
        rows = [
            {
                "id": ids.new_id("agent-env"),
                "organization_id": organization_id,
                "agent_id": agent_id,
                "key": key,
                "value_enc": self._secrets.encrypt(value),
            }
            for key, value in variables.items()
        ]
        if rows:
            await tx.execute(insert(agent_variables).values(rows))

    async def of_agents(
        self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]
    ) -> dict[str, list[EnvironmentVariable]]:
        """Each agent's variables by key, decrypted: one statement."""
        found: dict[str, list[EnvironmentVariable]] = {agent_id: [] for agent_id in agent_ids}
        given = agent_variables.c.agent_id.in_(agent_ids), agent_variables.c.organization_id == organization_id
        for row in await tx.execute(_of_agents.where(*given)):
            value = self._secrets.decrypt(row.value_enc)
            found[row.agent_id].append(
                EnvironmentVariable(
                    id=row.id,
                    key=row.key,
                    value=value,
                    value_enc=value,  # the public API shows the plain value here too
                    description=row.description,
                    organization_id=row.organization_id,
                    agent_id=row.agent_id,
                )
            )
        return found
