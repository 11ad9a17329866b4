"""What belongs to a task and changes nothing of it: comments, and files."""

from __future__ import annotations

from uuid import UUID

from planar.context import current_services
from planar.db.session import PlanarSession
from planar.engine.client import Client
from planar.files.checking import visible_files
from planar.files.errors import FileNotKnown
from planar.human.changing import find_task, in_transaction
from planar.human.lifecycle import Who
from planar.human.models import HumanTaskAttachment, HumanTaskComment
from planar.human.putting import put


async def comment(session: PlanarSession, task_id: UUID, text: str, who: Who) -> HumanTaskComment:
    """Say something about a task, also about one that has ended. Commits *session*.

    Raises:
        HumanTaskNotFound: there is no such task.
    """
    await find_task(session, task_id)
    added = HumanTaskComment(task_id=task_id, text=text, created_by=who.name, created_at=current_services().get(Client).now())
    session.add(added)
    await session.commit()
    return added


async def attach(task_id: UUID, file_id: UUID, who: Who) -> HumanTaskAttachment:
    """Add a file to a task; once, however often it is asked for.

    Raises:
        HumanTaskNotFound: there is no such task.
        FileNotKnown: there is no such file, or it is not for whoever acts to see.
    """

    async def work(session: PlanarSession) -> HumanTaskAttachment:
        await find_task(session, task_id)
        # Nobody deletes it until it is attached.
        if not await visible_files(session, {file_id}, hold=True):
            raise FileNotKnown(f"There is no file {file_id}.")
        now = current_services().get(Client).now()
        row = {"task_id": task_id, "file_id": file_id, "created_by": who.name, "created_at": now}
        await put(session, HumanTaskAttachment, row, ("task_id", "file_id"))
        return await session.get_one(HumanTaskAttachment, (task_id, file_id))

    return await in_transaction(work)
