"""What does an app keep of a workflow, or of an entity, that it serves?"""

from __future__ import annotations

from planar.entities.registration import RegisteredEntity
from planar.workflows.registration import RegisteredWorkflow, create_pydantic_model_for_workflow

__all__ = ["RegisteredEntity", "RegisteredWorkflow", "create_pydantic_model_for_workflow"]
