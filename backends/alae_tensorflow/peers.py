"""The processes of a run on TensorFlow: one per device, joined as workers of a cluster."""

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import accumulate, count

import numpy as np
import tensorflow as tf
from tensorflow.python.eager.context import context  # holds the cluster's key-value store, which has no public name

from alae_core.errors import BackendError, PeerError
from alae_core.spread import Spread

# Milliseconds that processes wait for each other when they start, and until one that was killed counts as lost.
_START, _HEARTBEAT = 300_000, 30_000
# Seconds that `read` waits for a text that has been published.
_DELAY = 0.1
# The number of the group of all processes, other than those that TensorFlow counts from 1.
_GROUP = 2**30


class Parts(Mapping[str, tf.Tensor]):
    """Tensors by name, with these shapes, that lie in an array one after the other; each is cut out where it is used.

    So XLA compiles the cuts with the operations that read them, and copies nothing.
    """

    def __init__(self, flat: tf.Tensor, shapes: Mapping[str, tf.TensorShape]) -> None:
        self.flat, self.shapes = flat, shapes
        sizes = [shape.num_elements() for shape in shapes.values()]
        self._starts = dict(zip(shapes, accumulate(sizes[:-1], initial=0), strict=True))

    @classmethod
    def join(cls, tensors: Mapping[str, tf.Tensor]) -> "Parts":
        """Copy `tensors` into a new array."""
        flat = tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors.values()], 0)
        return cls(flat, {name: tensor.shape for name, tensor in tensors.items()})

    def __getitem__(self, name: str) -> tf.Tensor:
        start, shape = self._starts[name], self.shapes[name]
        return tf.reshape(self.flat[start : start + shape.num_elements()], shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)


class TensorflowPeers:
    """See `Peers`. Create it before TensorFlow computes anything."""

    def __init__(self, spread: Spread) -> None:
        self.rank, self.processes = spread.rank, spread.processes
        self._exchanges = count(1)
        self._awaited: dict[str, Future[str]] = {}
        self._context = context()
        jobs = tf.compat.v1.ConfigProto().experimental.coordination_config.coordinated_job_list
        jobs.add(name="worker", num_tasks=self.processes)
        self._context.configure_coordination_service(
            "standalone",
            "/job:worker/replica:0/task:0",
            cluster_register_timeout_in_ms=_START,
            heartbeat_timeout_in_ms=_HEARTBEAT,
            coordinated_jobs=list(jobs),
        )
        handler = signal.getsignal(signal.SIGTERM)
        workers = tf.train.ClusterSpec({"worker": list_addresses(spread)})
        cluster = tf.distribute.cluster_resolver
        try:
            # Starts the server of this process, and joins the others. Means are exchanged by `mean`.
            tf.distribute.MultiWorkerMirroredStrategy(
                cluster.SimpleClusterResolver(workers, task_type="worker", task_id=self.rank)
            )
        except (tf.errors.OpError, RuntimeError, ValueError) as error:
            raise BackendError(f"the {self.processes} processes cannot join at {workers}: {error}") from error
        finally:
            # TensorFlow's own, which would only tell its preemption service, has replaced the command line's.
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, handler)

    def share_state(self, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Peers.share_state`."""
        # Sums of integers of which all but one are zero are exact, unlike those of floats, where −0 + 0 is 0.
        own = b"".join(np.ascontiguousarray(array).tobytes() for array in state.values())
        words = np.frombuffer(own + bytes(-len(own) % 8), np.int64)
        with self.naming_lost():
            found = self._add(tf.constant(words if self.rank == 0 else np.zeros_like(words))).numpy().tobytes()
        shared, start = {}, 0
        for name, array in state.items():
            end = start + array.nbytes
            shared[name] = np.frombuffer(found[start:end], array.dtype).reshape(array.shape).copy()
            start = end
        return shared

    def mean(self, means: Mapping[str, tf.Tensor]) -> Parts:
        """Return the mean over all processes of each tensor, in one exchange; the tensors have one dtype and device."""
        own = means if isinstance(means, Parts) else Parts.join(means)
        # Each process divides its part of the sum before it gives that to the others.
        return Parts(self._add(own.flat, final="Div"), own.shapes)

    def _add(self, tensor: tf.Tensor, final: str = "Id") -> tf.Tensor:
        """Return the sum over all processes; with "Div" as `final`, the mean."""
        # Exchanges have the same number in all processes, which trace the same functions in the same order.
        return tf.raw_ops.CollectiveReduceV2(
            input=tensor,
            group_size=self.processes,
            group_key=_GROUP,
            instance_key=next(self._exchanges),
            ordering_token=[],
            merge_op="Add",
            final_op=final,
        )

    @contextmanager
    def naming_lost(self) -> Iterator[None]:
        """Raise PeerError if an exchange within the context fails because another process has ended."""
        try:
            yield
        except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as error:
            raise PeerError(f"process {self.rank} of {self.processes} lost another process") from error

    def publish(self, key: str, text: str) -> None:
        """See `Peers.publish`."""
        self._context.set_config_key_value(f"alae/{key}", text or " ")

    def read(self, key: str) -> str | None:
        """See `Peers.read`."""
        # The store can only be asked to wait until a key has been published, which one thread per key does.
        if key not in self._awaited:
            self._awaited[key] = Future()
            threading.Thread(target=self._await, args=(key, self._awaited[key]), daemon=True).start()
        try:
            return self._awaited[key].result(_DELAY)
        except TimeoutError:
            return None
        except tf.errors.OpError as error:
            raise PeerError(f"process {self.rank} of {self.processes} lost the first process") from error

    def _await(self, key: str, found: "Future[str]") -> None:
        try:
            found.set_result(self._context.get_config_key_value(f"alae/{key}"))
        except tf.errors.OpError as error:
            found.set_exception(error)


def list_addresses(spread: Spread) -> list[str]:
    """Return the addresses of all processes by rank: those of TF_CONFIG, or of Slurm, with ports from MASTER_PORT on.

    Raises BackendError if neither names them.
    """
    if spread.addresses:
        return list(spread.addresses)
    if "SLURM_STEP_NODELIST" not in os.environ:
        raise BackendError("TF_CONFIG is not set: without Slurm, TensorFlow needs the addresses of all processes in it")
    ports = {"port_base": int(spread.address.rpartition(":")[2])} if spread.address else {}
    # It refuses fewer GPUs than processes, and otherwise would count those of this machine.
    resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
        gpus_per_node=spread.processes, gpus_per_task=1, auto_set_gpu=False, **ports
    )
    return resolver.cluster_spec().job_tasks("worker")
