"""One backend's share of a comparison, in a process of its own: python -m tests.across.worker BACKEND JOB.

JOB is JSON: {"steps": N, "resume": DIRECTORY or null, "save": DIRECTORY or null, "overrides": {…}}; a run that is saved
is saved halfway. The last line it prints is JSON: the losses of every step.
"""

import json
import sys

import alae_core as alae
from alae_workbench.data.loader import batches
from alae_workbench.data.sources import load_data


def main() -> None:
    name, job = sys.argv[1], json.loads(sys.argv[2])
    backend = alae.load_backend(name)
    config = alae.load_config("digits-mlp", overrides={"training.seed": 5, **job["overrides"]})
    runner = backend.runner(alae.build(config, seed=5), config, seed=5)
    if job["resume"]:
        runner.load(alae.load_checkpoint(job["resume"]).state)
    start = runner.step_count
    images = batches(load_data(config).train, config, start=start, put=lambda images, labels: runner.put(images))
    losses = []
    for step in range(job["steps"]):
        if job["save"] and step == job["steps"] // 2:
            alae.save_checkpoint(job["save"], runner.state(), config, seed=5, backend=backend)
        losses.append(dict(runner.step(next(images))))
    print(json.dumps(losses))


if __name__ == "__main__":
    main()
