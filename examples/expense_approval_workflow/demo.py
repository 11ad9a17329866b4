"""The whole story in a minute: serve the example, send the file, show the steps as they happen, approve, print the result.

`make demo` runs it and goes on serving; `ONCE=1 make demo` ends after the result. Its database is a fresh one in a temporary folder.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2 as httpx
from rich.console import Console

HERE = Path(__file__).parent
API = "/planar/v1/workflows/approve_expenses"
REPORT = "october"
PATIENCE = 60.0

console = Console(highlight=False)


def main() -> int:
    port = int(os.environ.get("PORT") or free_port())
    with tempfile.TemporaryDirectory(prefix="planar-demo-") as folder:
        server = serve(port, Path(folder))
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
                until(lambda: server.poll() is not None or is_ready(client), "the server to be ready")
                if server.poll() is not None:
                    console.print("[red]The server ended before it was ready.[/red]")
                    return 1
                tell(client, port)
            if os.environ.get("ONCE"):
                return 0
            console.print("\nIt goes on serving; press Ctrl-C to end it.")
            return server.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            stop(server)


def serve(port: int, folder: Path) -> subprocess.Popen[bytes]:
    settings = folder / "planar.yaml"
    settings.write_text(
        f"app:\n  db_connection: app\ndb_connections:\n  app:\n    driver: sqlite\n    path: {folder / 'expenses.db'}\n"
        "logging:\n  '':\n    level: WARNING\n"
    )
    command = ["dev", str(HERE / "main.py"), "--port", str(port), "--config", str(settings)]
    console.print(f"[dim]$ planar dev {os.path.relpath(HERE / 'main.py')} --port {port}[/dim]")
    return subprocess.Popen([sys.executable, "-m", "planar.cli", *command], stdout=subprocess.DEVNULL)


def tell(client: httpx.Client, port: int) -> None:
    content = (HERE / "expenses.csv").read_text()
    answer = client.post(f"{API}/start", json={"report": REPORT, "content": content})
    answer.raise_for_status()
    run = answer.json()["id"]
    console.print(f"\nSent {len(content.splitlines()) - 1} expenses: run [bold]{run}[/bold] has started.\n")
    result = follow(client, run)
    console.print()
    console.print_json(data=result)
    ledger = client.get(f"/ledger/{REPORT}").json()
    console.print(f"The ledger holds {ledger['entries']} entries, {ledger['distinct']} of them distinct, {ledger['total']} in all.")
    console.print(f"\nAPI docs: [bold]http://127.0.0.1:{port}/docs[/bold]")


def follow(client: httpx.Client, run: str) -> Any:
    """Print each step when its state changes, approve what waits for approval, and return the result."""
    shown: dict[int, str] = {}
    ended: dict[str, Any] = {}

    def look() -> bool:
        state = client.get(f"{API}/runs/{run}").json()
        for step in client.get(f"{API}/runs/{run}/steps", params={"limit": 100}).json()["items"]:
            if shown.get(step["step_id"]) != step["status"]:
                shown[step["step_id"]] = step["status"]
                console.print(f"  step {step['step_id']:>2}  {step['display_name']:<22} {paint(step['status'])}")
        waiting = client.get(f"/planar/v1/workflows/{run}/status").json()["workflow"]["waiting_for_event"]
        if waiting is not None:
            console.print(f"  [dim]somebody approves: {waiting}[/dim]")
            event = {"event_key": waiting, "payload": {"approved": True, "by": "the manager"}, "idempotency_key": f"demo {waiting}"}
            client.post("/planar/v1/workflows/events/emit", json=event).raise_for_status()
        ended.update(state)
        return state["status"] in ("succeeded", "failed", "cancelled")

    until(look, "the run to end")
    if ended["status"] != "succeeded":
        raise SystemExit(f"The run {ended['status']}: {ended['error']}")
    return ended["result"]


def paint(status: str) -> str:
    colour = {"succeeded": "green", "running": "yellow", "failed": "red"}.get(status, "white")
    return f"[{colour}]{status}[/{colour}]"


def until(question: Callable[[], bool], what: str) -> None:
    """Ask ten times a second until the answer is yes."""
    deadline = time.monotonic() + PATIENCE
    while not question():
        if time.monotonic() > deadline:
            raise SystemExit(f"Waited {PATIENCE:.0f} seconds for {what}, in vain.")
        time.sleep(0.1)


def is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/planar/v1/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stop(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()


if __name__ == "__main__":
    sys.exit(main())
