"""What does an app keep of a workflow that it serves?"""

from __future__ import annotations

from planar.workflows.registration import RegisteredWorkflow, create_pydantic_model_for_workflow

__all__ = ["RegisteredWorkflow", "create_pydantic_model_for_workflow"]
