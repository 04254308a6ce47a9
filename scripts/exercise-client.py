"""Uses the generated client against a running server: the demo, over HTTP.

    exercise-client.py BINARY DIRECTORY_THAT_HOLDS_THE_CLIENT

What is checked is that the document says enough to write a program from: requests are built, answers
read, and errors told apart by what was generated from it, not by hand.
"""

import re
import subprocess
import sys
import threading
import time

binary, clients = sys.argv[1:]
sys.path.insert(0, clients)

from generated_client.api.bulk import get_bulk, send_bulk  # noqa: E402
from generated_client.api.health import get_readiness  # noqa: E402
from generated_client.api.messages import (  # noqa: E402
    get_message,
    get_message_statistics,
    list_message_events,
    list_messages,
    send_message,
)
from generated_client.api.sessions import list_sessions  # noqa: E402
from generated_client.client import AuthenticatedClient  # noqa: E402
from generated_client.models import (  # noqa: E402
    MessageStatus,
    Problem,
    SendBulk,
    SendMessage,
    SessionStatus,
)


def until(what, answer, holds, limit=60):
    """Asks until the answer is as wanted, but not for ever."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        found = answer()
        if holds(found):
            return found
        time.sleep(0.05)
    raise SystemExit(f"waited {limit} s in vain: {what}")


demo = subprocess.Popen([binary, "demo", "--port", "18473"], stdout=subprocess.PIPE, text=True)
killer = threading.Timer(120, demo.kill)
killer.start()
try:
    url = token = None
    for line in demo.stdout:
        url = url or next(iter(re.findall(r"(http://\S+)/docs", line)), None)
        token = token or next(iter(re.findall(r"export TOKEN=(\S+)", line)), None)
        if url and token:
            break
    assert url and token, "the demo told no address or no token"
    # What it goes on to print has to go somewhere.
    threading.Thread(target=demo.stdout.read, daemon=True).start()

    client = AuthenticatedClient(base_url=url, token=token)
    assert get_readiness.sync_detailed(client=client).status_code == 200

    sessions = list_sessions.sync(client=client)
    assert [(it.name, it.status) for it in sessions.data] == [("main", SessionStatus.WORKING)]

    body = SendMessage(session_id="main", to="+5511988887777", body="From a generated client")
    answer = send_message.sync_detailed(client=client, body=body)
    assert answer.status_code == 202, answer
    assert answer.headers["Location"] == f"/messages/{answer.parsed.id}"
    final = (MessageStatus.DELIVERED, MessageStatus.READ)
    message = until(
        "the message is delivered",
        lambda: get_message.sync(answer.parsed.id, client=client),
        lambda it: it.status in final,
    )
    assert message.body == "From a generated client" and message.attempts == 1
    events = list_message_events.sync(message.id, client=client)
    assert len(events.data) >= 4, events

    page = list_messages.sync(client=client, search="generated", limit=5)
    assert [it.id for it in page.data] == [message.id] and page.total == 1
    assert get_message_statistics.sync(client=client).total >= 1

    bulk = send_bulk.sync(
        client=client,
        body=SendBulk(session_id="main", recipients=["+491711234567", "123"], body="To all"),
    )
    assert bulk.accepted == 1 and [it.code for it in bulk.rejected] == ["invalid-phone"]
    assert get_bulk.sync(bulk.id, client=client).accepted == 1

    wrong = send_message.sync(client=client, body=SendMessage(session_id="main", to="1", body="x"))
    assert isinstance(wrong, Problem) and wrong.code == "invalid-phone", wrong
    assert wrong.errors[0].pointer == "#/to"
    stranger = AuthenticatedClient(base_url=url, token="nonsense")
    refused = send_message.sync_detailed(client=stranger, body=body)
    assert refused.status_code == 401 and refused.parsed.code == "invalid-token", refused
    print("The generated client sent, followed, listed, counted, and understood refusals.")
finally:
    killer.cancel()
    demo.terminate()
    demo.wait(timeout=30)
