"""Config in, services out: the one place that wires the parts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from planar.app.file_parts import add_files
from planar.app.human_parts import add_human_tasks
from planar.app.role import Role
from planar.app.rule_parts import add_rules
from planar.clock import SYSTEM_CLOCK, Clock
from planar.config import Environment, PlanarConfig
from planar.context import RunFinder, Services, current_actor
from planar.db.manager import DatabaseManager
from planar.engine.catalog import Registry
from planar.engine.client import Client
from planar.engine.events import Notices
from planar.engine.execution.place import current_place
from planar.engine.store.opening import StoreOpener, open_store
from planar.engine.store.port import Store
from planar.engine.worker import Worker
from planar.entities.config import EntitiesConfig
from planar.object_config.choosing import VersionChooser
from planar.object_config.registration import ConfigurableTypes
from planar.security.auth_context import dump_principal, load_principal
from planar.security.authenticator import Authenticator, DevUser, Nobody
from planar.security.authorization import AllowAll, Authorizer


@dataclass(frozen=True, slots=True)
class Running:
    """The parts of an app that lives, from the start of its lifespan to the end."""

    services: Services
    store: Store
    worker: Worker | None
    """None if this process only serves."""
    client: Client


def default_services(config: PlanarConfig, manager: DatabaseManager, registry: Registry) -> Services:
    """What an app has before it runs. `Authenticator` and `Authorizer` may be replaced until then; `planar.testing` replaces `Clock`."""
    services = Services()
    services.add(Clock, SYSTEM_CLOCK)
    services.add(PlanarConfig, config)
    services.add(EntitiesConfig, config.entities)
    services.add(Role, Role())
    services.add(DatabaseManager, manager)
    services.add(Registry, registry)
    services.add(RunFinder, RunFinder(current_place))
    services.add(Authenticator, DevUser() if config.environment is Environment.DEV else Nobody())
    services.add(Authorizer, AllowAll())
    services.add(ConfigurableTypes, ConfigurableTypes())
    add_files(services, config)
    add_human_tasks(services, config)
    add_rules(services)
    return services


def assemble(services: Services, notices: Notices) -> Running:
    """Build the engine around a connected database. Nothing runs yet."""
    config, manager, registry = services.get(PlanarConfig), services.get(DatabaseManager), services.get(Registry)
    opener = services.find(StoreOpener) or StoreOpener(partial(open_store, lease_seconds=config.workflows.lease_seconds))
    # Anew at each start: what it remembers is that of one database.
    services.add(VersionChooser, VersionChooser(manager))
    store = opener.open(manager, services.get(Clock))
    worker = _worker(services, store, notices)
    client = Client(
        store,
        registry,
        notices,
        worker=worker,
        dump_actor=lambda: dump_principal(current_actor()),
        max_argument_bytes=config.workflows.max_argument_bytes,
    )
    services.add(Client, client)
    return Running(services, store, worker, client)


def _worker(services: Services, store: Store, notices: Notices) -> Worker | None:
    """The worker of this process, if its role is to have one."""
    role, settings = services.get(Role), services.get(PlanarConfig).workflows
    if not role.works:
        services.remove(Worker)
        return None
    if role.max_concurrent_runs is not None:
        settings = settings.model_copy(update={"max_concurrent_runs": role.max_concurrent_runs})
    registry, manager = services.get(Registry), services.get(DatabaseManager)
    return services.add(Worker, Worker(store, registry, notices, settings, manager=manager, load_actor=load_principal))
