"""TensorBoard shows the metrics of each epoch, which tensorboardX writes without PyTorch and TensorFlow."""

import struct

import pytest


def read_scalars(path):
    """Return the scalars of an event file as (tag, step, value).

    Each record consists of its length (uint64), a checksum (4 bytes), the message and another checksum.
    """
    from tensorboardX.proto.event_pb2 import Event

    contents, start = path.read_bytes(), 0
    scalars = []
    while start < len(contents):
        (length,) = struct.unpack_from("<Q", contents, start)
        event = Event.FromString(contents[start + 12 : start + 12 + length])
        scalars += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
        start += 16 + length
    return scalars


def test_metrics_of_each_epoch_are_written(split, mlp, tmp_path):
    pytest.importorskip("tensorboardX")
    X_train, X_test, y_train, y_test = split
    # Begin of the documentation: tensorboard
    from tensorboardX import SummaryWriter

    from skmlp.callbacks import OnEpoch

    with SummaryWriter("runs/digits") as writer:

        def write(epoch, metrics):
            for name, value in metrics.items():
                writer.add_scalar(name, value, epoch)

        mlp.set_callbacks(OnEpoch(write)).fit(X_train, y_train, X_val=X_test, y_val=y_test)
    # End of the documentation: tensorboard
    (path,) = (tmp_path / "runs" / "digits").iterdir()
    scalars = read_scalars(path)
    assert {tag for tag, _, _ in scalars} == mlp.history_.keys()
    for name, values in mlp.history_.items():
        written = [(step, value) for tag, step, value in scalars if tag == name]
        assert [step for step, _ in written] == list(range(1, 11))
        assert [value for _, value in written] == pytest.approx(values, rel=1e-6)
