"""The federation with the iAgents that a device runs; on CPython 3.8 as well."""

from __future__ import annotations

import numpy as np

from octogym.agents.onboard import IAgentConfig, IAgentStack
from octogym.fed.client import ClientConfig, FedClient
from octogym.fed.config import FedConfig
from octogym.fed.in_process import Federation
from octogym.fed.wire import encode_upload, raw_bytes
from tests.fed.toy import SECOND, same


def test_iagents_learn_together_through_rounds():
    config = FedConfig(client=ClientConfig(fl_every=1, steps=12, steps_growth=2), fraction=1.0)
    stacks = [IAgentStack((2, 8, 2), 2, 1, IAgentConfig(), [1, 2]), IAgentStack((1, 8, 2), 1, 1, IAgentConfig(), [3])]
    owners = [(stack, i) for stack in stacks for i in range(stack.n)]
    clients = [FedClient(f"agent-{k}", f"device-{k}", *owner, config.client) for k, owner in enumerate(owners)]
    federation = Federation(config, clients)
    steps = dict.fromkeys(federation.clients, 0)
    rng = np.random.default_rng(0)
    reports = []
    for t in range(1, 60):
        for stack in stacks:
            shape = (stack.n, stack.rows)
            stack.reward(rng.normal(size=shape), np.ones(shape, bool))
            stack.decide(rng.random((*shape, 8), np.float32), rng.random((*shape, 3)))
        losses = {}
        for client in clients:
            steps[client.name] += 1
            if steps[client.name] >= client.steps:
                steps[client.name] = 0
                if client.name not in federation.waiting:
                    found = client.stack.learn([client.index], force=client.uploads_next)
                    losses[client.name] = float(found.loss[0])
        before = [client.stack.get(client.index) for client in clients]
        new = federation.after_step(t * SECOND, losses)
        reports += new
        if new:
            after = [client.stack.get(client.index) for client in clients]
            for one, other in ((0, 1), (0, 2)):
                shared = [k for k in after[0] if k.startswith(("backbone", "value"))]
                assert len(shared) == 8
                assert same({k: after[one][k] for k in shared}, {k: after[other][k] for k in shared})
            # The third agent's batch head is the only one of its shape: fine-tuned, but not averaged.
            moved = np.abs(after[2]["batch.w"] - before[2]["batch.w"])
            assert 0 < moved.max() < 0.01
            assert not same({"w": after[0]["batch.w"]}, {"w": before[0]["batch.w"]})
            assert (clients[0].stack.experiences == 0).all()  # what came while waiting is gone
    assert [report.participants for report in reports] == [("agent-0", "agent-1", "agent-2")] * len(reports)
    assert len(reports) == 3 and all(report.changed for report in reports)
    upload = clients[0].upload(99, 60 * SECOND)
    assert len(encode_upload(upload)) < 1.1 * raw_bytes(upload.parameters) == 1.1 * 4 * 4449
