"""Are the files real that an answer names? Checked before anything is written, and kept as they are recorded."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from planar.files.checking import check_files
from planar.files.errors import UnknownFiles
from planar.human.forms import IN_BODY, written
from planar.modeling.errors import Misfits


async def with_real_files(answer: BaseModel, data: Any) -> Any:
    """What to keep of *answer*, in the current session.

    Args:
        answer: the answer, which fits; files in it are changed to what their records say.
        data: the JSON value that it was read from.

    Returns:
        *data*; if there are files in it, the JSON value of *answer* with their recorded names, types and sizes.

    Raises:
        Misfits: a file does not exist, or is not for whoever acts to see; each entry says where. Becomes 422.
    """
    try:
        found = await check_files(answer, IN_BODY)
    except UnknownFiles as error:
        raise Misfits(
            [{"type": error.code, "loc": place, "msg": f"There is no file {file_id}."} for place, file_id in error.places]
        ) from None
    return written(answer) if found else data
