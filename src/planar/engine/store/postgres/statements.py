"""What is said to PostgreSQL, word for word?

Starts, records and ends come in statements of many rows each. The claim table is nearly empty and full of dead rows, for which
the planner would choose a scan of the whole table: so a claim is looked up row by row (``lateral … limit 1``), and what is to be
changed is named by an array.
"""

from __future__ import annotations

from planar._version import VERSION
from planar.engine.store.postgres.rows import EVENT_COLUMNS, OTHER_STEP, PLAIN_STEP, REWRITTEN, RUN_COLUMNS

LOCK = """
with committed as (insert into planar.workflow_batch (lane, number, answer, written_at) values ($3, $4, '', $5)),
forgotten as (delete from planar.workflow_batch where lane = $3 and number = $4 - 1)
select
    (select count(pg_advisory_xact_lock_shared(k)) from unnest($1::bigint[]) k),
    (select count(pg_advisory_xact_lock(k)) from unnest($2::bigint[]) k)
"""
"""First in each transaction, before the snapshots of its other statements: see `planar.engine.store.postgres.locks`.

It leaves a row under the number of the transaction. The same again, because the acknowledgement was lost, waits until it is decided what
became of the first, and fails if that was committed.
"""

LOCK_IN_SESSION = """
select current_setting('transaction_isolation'),
    (select count(pg_advisory_xact_lock_shared(k)) from unnest($1::bigint[]) k)
"""
LOCK_FOR_RECORD = """
select current_setting('transaction_isolation'),
    (select count(pg_advisory_xact_lock_shared(k)) from unnest($1::bigint[]) k),
    set_config('idle_in_transaction_session_timeout', $2, true)
"""
"""The commit follows at once: if the server does not hear of it, nobody who records the same may have to wait for long."""
LOCK_CLAIMS = "select 1 from planar.workflow_claim where run_id = any($1::uuid[]) order by run_id for share"
"""For a transaction with one snapshot for all its statements: it fails if a run has moved since."""

START_RUNS = """
with given as materialized (
    select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::timestamptz[], $10::uuid[]) with ordinality
        g(id, function_name, parent_id, status, args, kwargs, principal, idempotency_key, created_at, worker_id, place)
),
run as (
    insert into planar.workflow_run
        (id, function_name, parent_id, status, args, kwargs, principal, idempotency_key, created_at, updated_at)
    select id, function_name, parent_id, status, args, kwargs, principal, idempotency_key, created_at, created_at
    from given order by place
    on conflict do nothing returning id
),
claim as (
    insert into planar.workflow_claim (run_id, function_name, due_at, worker_id, epoch, reason)
    select id, function_name, greatest(created_at, $11), worker_id, case when worker_id is null then 0 else 1 end, 'ready'
    from given where id in (select id from run)
)
select id from run
"""
"""A run is due when it is written, whenever it was made: who looks for what is due begins where the last look ended."""
EARLIER_START = """
select id from planar.workflow_run where function_name = $1 and md5(idempotency_key) = md5($2) and idempotency_key = $2
"""


def _save_steps(columns: dict[str, str]) -> str:
    names = ", ".join(columns)
    arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(columns.values(), start=5))
    return f"""
with given as materialized (
    select * from unnest($2::uuid[], $3::int[], $4::uuid[], {arrays}) with ordinality g(run_id, epoch, worker_id, {names}, place)
),
written as (
    insert into planar.workflow_step (workflow_id, {names}, updated_at)
    select g.run_id, {", ".join(f"g.{name}" for name in columns)}, $1
    from given g cross join lateral (
        select c.epoch, c.worker_id from planar.workflow_claim c where c.run_id = g.run_id limit 1
    ) held
    where held.epoch = g.epoch and held.worker_id = g.worker_id
    on conflict (workflow_id, path) do update set
        {", ".join(f"{name} = excluded.{name}" for name in REWRITTEN)}
    where workflow_step.seq is null
    returning workflow_id, path
)
select g.place from given g left join written w on w.workflow_id = g.run_id and w.path = g.path where w.path is null
"""


SAVE_PLAIN_STEPS = _save_steps(PLAIN_STEP)
SAVE_STEPS = _save_steps(PLAIN_STEP | OTHER_STEP)
"""Both answer the places of what was refused: normally nothing."""

END_RUNS = """
with given as materialized (
    select * from unnest($2::uuid[], $3::int[], $4::uuid[], $5::text[], $6::text[], $7::text[]) with ordinality
        g(run_id, epoch, worker_id, status, result, error, place)
),
unfounded as materialized (
    select a.run_id from unnest($8::uuid[], $9::text[]) a(run_id, path)
    where not exists (select 1 from planar.workflow_step s where s.workflow_id = a.run_id and s.path = a.path and s.seq is not null)
),
held as materialized (
    select g.run_id from given g cross join lateral (
        select c.epoch, c.worker_id from planar.workflow_claim c where c.run_id = g.run_id limit 1
    ) c
    where c.epoch = g.epoch and c.worker_id = g.worker_id and g.run_id not in (select run_id from unfounded)
),
gone as (
    delete from planar.workflow_claim where run_id = any(array(select run_id from held)) returning run_id
),
closed as (
    update planar.workflow_run r set status = g.status, result = g.result, error = g.error, updated_at = $1
    from given g where r.id = g.run_id and r.id = any(array(select run_id from gone))
)
select place from given where run_id not in (select run_id from gone)
"""
"""Answers the places of what was refused. *unfounded*: what the end rests on was not recorded."""

CLOSE_RUN = "update planar.workflow_run set status = $1, result = $2, error = $3, updated_at = $4 where id = $5"

RUN_WORKER = "run_id = $1 and epoch = $2 and worker_id is not distinct from $3"
"""Written so that no index on workers can serve it."""
LOCK_HELD = f"select cancel_reason from planar.workflow_claim where {RUN_WORKER} for no key update"
UNRECORDED = """
select 1 from unnest($2::text[]) a(path)
where not exists (select 1 from planar.workflow_step s where s.workflow_id = $1 and s.path = a.path and s.seq is not null) limit 1
"""
AWAIT_ENDS = """
with still as materialized (
    select run_id from planar.workflow_claim where run_id = any($1::uuid[]) order by run_id for no key update
)
update planar.workflow_claim set awaited = 1 where run_id = any(array(select run_id from still)) and awaited = 0
"""
"""Whoever ends one of these waits, and then finds who sleeps; or has ended it, and that is seen by the next statement."""

ADD_WAITS = "insert into planar.workflow_wait (key, run_id) select k, $2 from unnest($1::text[]) k on conflict do nothing"
SLEEP = """
update planar.workflow_claim set worker_id = null, due_at = $2, reason = $3, waiting_for_event = $4 where run_id = $1
"""
DROP_WAITS = "delete from planar.workflow_wait where run_id = any($1::uuid[])"
RELEASE = f"""
update planar.workflow_claim set worker_id = null, due_at = $4, reason = 'ready', waiting_for_event = null
where {RUN_WORKER} returning run_id
"""
RECLAIM = """
update planar.workflow_claim set worker_id = $3, epoch = epoch + 1, due_at = null, reason = 'ready', waiting_for_event = null
where run_id = $1 and epoch = $2 and worker_id is null returning epoch
"""

AWAITED = "select key, run_id from planar.workflow_wait where key = any($1::text[])"
WAKE = """
with sleeping as materialized (
    select run_id from planar.workflow_claim where run_id = any($1::uuid[]) and worker_id is null order by run_id for no key update
),
rested as (delete from planar.workflow_wait where run_id = any(array(select run_id from sleeping)))
update planar.workflow_claim set due_at = $2, reason = 'ready', waiting_for_event = null
where run_id = any(array(select run_id from sleeping))
"""
"""Claims before waits: everybody locks in this order."""

NEXT_SEQ = "nextval('planar.workflow_event_seq_seq')"


def _insert_event(seq: str) -> str:
    return f"""
insert into planar.workflow_event (seq, id, event_key, workflow_id, payload, timestamp, idempotency_key)
values ({seq}, $1, $2, $3, $4, $5, $6) on conflict do nothing returning seq
"""


INSERT_EVENT = _insert_event(NEXT_SEQ)
INSERT_UNSEEN_EVENT = _insert_event(f"-{NEXT_SEQ}")
"""Its number is below zero: nobody sees it until the sweep after the commit gives it one in the order of its key."""

EVENT_OF_ID = f"select {EVENT_COLUMNS} from planar.workflow_event where id = $1"
EVENT_OF_KEY = f"""
select {EVENT_COLUMNS} from planar.workflow_event
where md5(event_key) = md5($1) and event_key = $1 and md5(idempotency_key) = md5($2) and idempotency_key = $2
"""
OWN_EVENTS = f"""
select {EVENT_COLUMNS} from planar.workflow_event
where md5(event_key) = md5($1) and event_key = $1 and workflow_id = $2 and seq > $3 order by seq limit $4
"""
GLOBAL_EVENTS = f"""
select {EVENT_COLUMNS} from planar.workflow_event
where md5(event_key) = md5($1) and event_key = $1 and workflow_id is null and seq > $2 and timestamp >= $3 order by seq limit $4
"""
UNSEEN_KEYS = "select distinct event_key from planar.workflow_event where seq < 0 limit 1000"
UNSEEN = """
select seq, event_key, workflow_id from planar.workflow_event
where seq < 0 and event_key = any($1::text[]) order by seq desc for no key update
"""
SHOW_EVENT = f"update planar.workflow_event set seq = {NEXT_SEQ} where seq = $1"

RUN = f"select {RUN_COLUMNS} from planar.workflow_run where id = $1"
RUNS = f"select {RUN_COLUMNS} from planar.workflow_run where id = any($1::uuid[])"
RUN_STATUS = "select status from planar.workflow_run where id = $1"
CHILDREN = "select id from planar.workflow_run where parent_id = $1 and status = 'pending' order by id"
LOCK_CLAIM = "select worker_id from planar.workflow_claim where run_id = $1 for update"
ASK_FOR_END = """
update planar.workflow_claim set cancel_reason = coalesce(cancel_reason, $2) where run_id = $1 returning cancel_reason
"""
DROP_CLAIM = "delete from planar.workflow_claim where run_id = $1"

DUE = "planar.workflow_claim where worker_id is null and due_at <= $1"
CLAIM_DUE = f"""
with due as materialized (
    select run_id, due_at, epoch, recoveries, cancel_reason, crashed
    from {DUE} and due_at >= $5 and function_name = any($2::text[]) order by due_at, run_id limit $3 for update skip locked
),
rested as (delete from planar.workflow_wait where run_id = any(array(select run_id from due))),
taken as (
    update planar.workflow_claim
    set worker_id = $4, epoch = epoch + 1, due_at = null, reason = 'ready', waiting_for_event = null, crashed = 0
    where run_id = any(array(select run_id from due))
)
select run_id, epoch + 1, recoveries, cancel_reason, crashed, due_at from due
"""
"""From `planar.engine.store.postgres.transaction.Looks.since` on."""
CLAIM_OF_RUN = """
select worker_id, due_at, waiting_for_event, recoveries, cancel_reason, crashed from planar.workflow_claim where run_id = $1 for update
"""
TAKE_RUN = """
update planar.workflow_claim
set worker_id = $2, epoch = epoch + 1, due_at = null, reason = 'ready', waiting_for_event = null, crashed = 0
where run_id = $1 returning epoch
"""
UNKNOWN_NAMES = f"select distinct function_name from {DUE} and function_name <> all($2::text[])"
LOOK_FOR_DUE = f"""
select
    (select due_at from planar.workflow_claim
        where worker_id is null and due_at >= $3 and function_name = any($2::text[]) order by due_at limit 1),
    case when $4 then array({UNKNOWN_NAMES}) end
"""
"""When the first run is due of those that may be claimed, now or later; and with ``$4`` the names of those that nobody here knows."""
NEXT_DUE = """
select due_at from planar.workflow_claim
where worker_id is null and due_at > $1 and function_name = any($2::text[]) order by due_at limit 1
"""

REGISTER = f"""
insert into planar.workflow_worker (id, host, boot_id, pid, alive, started_at, beat_at, version)
values ($1, $2, $3, $4, true, clock_timestamp(), clock_timestamp(), '{VERSION}')
on conflict (id) do update set alive = true, beat_at = excluded.beat_at, version = excluded.version
"""
"""The version is that of the code which says this."""
BEAT = """
with given as (select unnest($1::uuid[]) id),
beaten as (update planar.workflow_worker set beat_at = clock_timestamp() where id = any($1::uuid[]) and alive returning id)
select clock_timestamp(), array(select id from given except select id from beaten),
    exists (select 1 from planar.workflow_event where seq < 0),
    exists (select 1 from planar.workflow_claim where worker_id = any($1::uuid[])),
    case when $2 <> '' then pg_notify($2, $3) end
"""
"""The server's time, those who were written off meanwhile, whether somebody left events that nobody sees, and whether they hold runs."""
END_LEASES = "update planar.workflow_worker set beat_at = '-infinity' where id = any($1::uuid[])"
LOCK_WORKER = "select 1 from planar.workflow_worker where id = $1 for update"
"""What is being written in its name is waited for; what comes afterwards sees what became of it."""
REMOVE_WORKER = "delete from planar.workflow_worker where id = $1"
WRITE_OFF = """
with long_gone as (
    delete from planar.workflow_worker w where not alive and id <> $1 and beat_at < clock_timestamp() - interval '1 hour'
        and (select 1 from planar.workflow_claim c where c.worker_id = w.id limit 1) is null
)
update planar.workflow_worker set alive = false, beat_at = clock_timestamp() where id = $1
"""
"""Who was taken for dead may live: for one lease it may still come back, and is not taken for dead again if it claims."""
FREE_RUNS = """
with freed as (
    update planar.workflow_claim set worker_id = null, due_at = $2, reason = 'ready', recoveries = recoveries + $3, crashed = $3
    where worker_id = $1 returning run_id
)
select count(*) from freed
"""
OTHERS_LIVES = """
select w.id,
    case when w.beat_at = '-infinity' then '-infinity'
        else extract(epoch from greatest(w.beat_at, pg_postmaster_start_time()) - clock_timestamp())::double precision + $2
    end,
    w.alive,
    (select 1 from planar.workflow_claim c where c.worker_id = w.id limit 1) is not null
from planar.workflow_worker w where w.id <> $1
union all
select distinct c.worker_id, '-infinity'::double precision, true, true from planar.workflow_claim c
where c.worker_id is not null and c.worker_id <> $1 and not exists (select 1 from planar.workflow_worker w where w.id = c.worker_id)
order by 1
"""
"""Of each other worker: the seconds until its lease is over, whether it was taken for dead, and whether it holds runs.

While the server was away nobody could beat: each has a lease's time for that once it is back, or all would take over from all.
"""
CANCEL_REQUESTS = "select run_id, cancel_reason from planar.workflow_claim where worker_id = $1 and cancel_reason is not null"
