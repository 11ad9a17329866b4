"""Can PostgreSQL clean up behind the engine, and has it room for everybody?"""

from __future__ import annotations

from collections.abc import Iterator

from planar.engine.doctor.findings import Code, Finding, Severity, are, counted, span
from planar.engine.doctor.limits import Limits
from planar.engine.doctor.workers import living
from planar.engine.store.facts import Facts, IdleSession, SnapshotHolder


def check_snapshots(facts: Facts, limits: Limits) -> Iterator[Finding]:
    """Nobody keeps dead rows alive."""
    if facts.server is None:
        return
    graded = [(severity, holder) for holder in facts.server.holders if (severity := _age(holder, limits)) is not None]
    if graded:
        severity, oldest = max(graded, key=lambda each: (each[0].rank, each[1].seconds or 0.0, each[1].transactions))
        others = f", and {len(graded) - 1} more like it" if len(graded) > 1 else ""
        yield Finding(
            Code.OLD_SNAPSHOT,
            severity,
            f"A {oldest.kind} ({_name(oldest)}) has kept its snapshot for {_how_long(oldest)}{others}: dead rows pile up, "
            "and claims slow down.",
            _release(oldest),
            {"holders": [_figures(holder) for _, holder in graded]},
        )


def _age(holder: SnapshotHolder, limits: Limits) -> Severity | None:
    if holder.seconds is None:
        return limits.snapshot_transactions.severity(holder.transactions)
    return limits.snapshot_seconds.severity(holder.seconds)


def _how_long(holder: SnapshotHolder) -> str:
    return span(holder.seconds) if holder.seconds is not None else f"{holder.transactions:,} transactions"


def _name(holder: SnapshotHolder | IdleSession) -> str:
    return holder.name if holder.pid is None else f"{holder.name}, pid {holder.pid}"


def _release(holder: SnapshotHolder) -> str:
    match holder.kind:
        case "prepared transaction":
            return f"End it: commit prepared '{holder.name}', or rollback prepared '{holder.name}'."
        case "replication slot":
            return f"If nobody uses it any more: select pg_drop_replication_slot('{holder.name}')."
        case "standby":
            return "End the long query on that standby, or turn its hot_standby_feedback off."
        case _:
            return f"Let it commit, or end it: select pg_terminate_backend({holder.pid}). Keep reports and dumps short, or on a standby."


def _figures(holder: SnapshotHolder) -> dict[str, object]:
    return {
        "kind": holder.kind,
        "name": holder.name,
        "pid": holder.pid,
        "seconds": holder.seconds,
        "transactions": holder.transactions,
    }


def describe_snapshots(facts: Facts) -> str:
    """What is said if nothing is wrong."""
    server = facts.server
    oldest = max((holder.seconds or 0.0 for holder in server.holders), default=0.0) if server is not None else 0.0
    limited = "" if server is None or server.sees_others else " (among what this user may see; the role pg_read_all_stats sees all)"
    return f"the oldest is {span(oldest)} old{limited}" if oldest else f"none is kept{limited}"


def check_idle(facts: Facts, limits: Limits) -> Iterator[Finding]:
    """Nobody sits in the middle of a transaction."""
    if facts.server is None:
        return
    graded = [(severity, each) for each in facts.server.idle if (severity := limits.idle_seconds.severity(each.seconds)) is not None]
    if graded:
        severity, longest = max(graded, key=lambda each: each[1].seconds)
        yield Finding(
            Code.IDLE_IN_TRANSACTION,
            severity,
            f"{are(len(graded), 'session')} idle in a transaction, for up to {span(longest.seconds)}: {_name(longest)}.",
            f"It keeps its locks and its snapshot. End it: select pg_terminate_backend({longest.pid}); and let that program commit, or set "
            "idle_in_transaction_session_timeout.",
            {"sessions": [{"name": each.name, "pid": each.pid, "seconds": each.seconds} for _, each in graded]},
        )


def describe_idle(facts: Facts) -> str:
    """What is said if nothing is wrong."""
    return "no session idles in a transaction"


def check_dead_rows(facts: Facts, limits: Limits) -> Iterator[Finding]:
    """The tables that are written all the time are cleaned up as often."""
    if facts.server is None:
        return
    if not facts.server.autovacuum:
        yield Finding(
            Code.AUTOVACUUM_OFF,
            Severity.WARNING,
            "Autovacuum is off on this server: nobody removes dead rows.",
            "Turn it on: alter system set autovacuum = on; select pg_reload_conf().",
        )
    for table in facts.server.tables:
        severity = limits.dead_rows.severity(table.dead_rows)
        if severity is None or table.dead_rows <= table.live_rows:
            continue
        vacuumed = table.seconds_since_vacuum
        last = f"last vacuumed {span(vacuumed)} ago" if vacuumed is not None else "never vacuumed"
        yield Finding(
            Code.DEAD_ROWS,
            severity,
            f"{table.name} has {table.dead_rows:,} dead rows beside {table.live_rows:,} living ones, {last}: claims slow down.",
            f"If a snapshot is old, end that first. Then: vacuum planar.{table.name}. If they come back, autovacuum does not keep up: "
            "give it more workers, or a shorter autovacuum_naptime.",
            {"table": table.name, "dead_rows": table.dead_rows, "live_rows": table.live_rows, "seconds_since_vacuum": vacuumed},
        )


def describe_dead_rows(facts: Facts) -> str:
    """What is said if nothing is wrong."""
    tables = facts.server.tables if facts.server is not None else ()
    return f"{counted(sum(table.dead_rows for table in tables), 'row')} dead in the hot tables"


def check_connections(facts: Facts, limits: Limits) -> Iterator[Finding]:
    """There is room for everybody who may connect."""
    server = facts.server
    if server is None:
        return
    severity = limits.connections_share.severity(server.connections / server.usable_connections)
    figures = {"connections": server.connections, "usable": server.usable_connections}
    if severity is not None:
        yield Finding(
            Code.CONNECTIONS_SCARCE,
            severity,
            f"{server.connections:,} of the server's {server.usable_connections:,} usable connections are in use.",
            "Make the pools smaller (db_connections.*.pool), end what is idle, or raise max_connections.",
            figures,
        )
    workers = len(living(facts))
    most = workers * facts.connections_per_worker
    if most > server.usable_connections:
        yield Finding(
            Code.POOLS_TOO_LARGE,
            Severity.WARNING,
            f"{counted(workers, 'worker')} may open {facts.connections_per_worker} connections each, {most:,} in all; the server has "
            f"{server.usable_connections:,} for everybody.",
            "Make the pools smaller (db_connections.*.pool.size and max_overflow), or raise max_connections.",
            figures | {"workers": workers, "per_worker": facts.connections_per_worker},
        )


def describe_connections(facts: Facts) -> str:
    """What is said if nothing is wrong."""
    server = facts.server
    return f"{server.connections:,} of {server.usable_connections:,} in use" if server is not None else ""
