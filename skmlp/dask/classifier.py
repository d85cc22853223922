"""The class DaskMLPDigitClassifier."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from copy import deepcopy
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self, TypeAlias, TypeVar, cast

from skmlp.dask.cluster import connect
from skmlp.dask.plan import make_cluster_plan
from skmlp.dask.prediction import score_blocks
from skmlp.estimator.classifier import MLPDigitClassifier
from skmlp.estimator.data import is_dask_collection
from skmlp.sklearn_compat import DOC_LINK_TEMPLATE, Interval, StrOptions
from skmlp.typing import ArrayLike, PathLike, SamplesLike

Mode: TypeAlias = Literal["exact", "local"]
Constructor = TypeVar("Constructor", bound=Callable[..., None])
Classifier = TypeVar("Classifier", bound=MLPDigitClassifier)


def inherit_parameters(constructor: Constructor) -> Constructor:
    """Return a constructor whose signature also has the parameters of MLPDigitClassifier, before its own.

    scikit-learn finds the parameters of an estimator there.
    """

    def construct(self: Any, *args: Any, **parameters: Any) -> None:
        constructor(self, *args, **parameters)

    inherited = inspect.signature(MLPDigitClassifier.__init__).parameters.values()
    parameters = inspect.signature(constructor).parameters.values()
    own = [each for each in parameters if each.kind is each.KEYWORD_ONLY]
    construct.__signature__ = inspect.Signature([*inherited, *own])  # type: ignore[attr-defined]
    return cast(Constructor, construct)


def describe_inherited_parameters(cls: type[Classifier]) -> type[Classifier]:
    """Add the descriptions of the parameters of MLPDigitClassifier to the docstring of a subclass, before its own."""
    inherited, docstring = inspect.getdoc(MLPDigitClassifier), inspect.getdoc(cls)
    if inherited is None or docstring is None:  # python -OO
        return cls
    _, after = inherited.split("\nParameters\n----------\n")
    described = re.sub(r"(,? \[\d+\]_)+", "", after.split("\n\nAttributes\n")[0])
    cls.__doc__ = docstring.replace(
        "\nParameters\n----------\n", f"\nParameters\n----------\n{described}\n", 1
    )
    return cls


@describe_inherited_parameters
class DaskMLPDigitClassifier(MLPDigitClassifier):
    """Multilayer perceptron classifier that is trained on dask arrays, on one machine or on a cluster.

    The class has all parameters, methods and fitted attributes of :class:`skmlp.MLPDigitClassifier`. `fit` and
    `partial_fit` take dask arrays and dask DataFrames that are divided into blocks of rows. The blocks are loaded by
    the workers and stay there; the network is trained by tasks that are pure functions. If a worker is lost, Dask
    computes its results again. The fitted weights depend on the data, their division into blocks and `random_state`
    only: they are bit-identical for any number of workers, also if workers are lost.

    Parameters
    ----------
    client : distributed.Client, default=None
        Client of the cluster. None means the current client or, if there is none, Dask's local scheduler, which runs
        tasks in threads of this process. The client is not part of pickles and checkpoints.
    mode : {'exact', 'local'}, default='local'
        How the steps are divided among the blocks.

        - 'exact': data-parallel mini-batches. The samples of a batch are drawn from all blocks, and its gradient is
          the sum of the gradients of its parts. The result equals that of :class:`skmlp.MLPDigitClassifier` to
          rounding error, unless dropout or augmentation draw other random numbers.
        - 'local': local SGD (Stich, "Local SGD converges fast and communicates little", ICLR 2019,
          https://arxiv.org/abs/1805.09767). Each block trains `local_steps` steps from common weights, with batches of
          its own samples. Then the weights and the state of the optimizer are averaged. This needs much less
          communication.
    local_steps : int, default=None
        Number of steps of each block between two averages for ``mode='local'``, at least 1. None means all batches of
        the block, which gives one average per epoch.
    timeout : float, default=600
        Maximum time in seconds, greater than 0, in which no worker of the cluster finishes a task. If it is exceeded,
        for example because there are no workers, a :class:`skmlp.ClusterError` is raised.

    Attributes
    ----------
    history_ : dict of str to list of float
        As for :class:`skmlp.MLPDigitClassifier`, with the durations of each epoch under further keys:

        - 'compute_seconds': computation. In each step or round, that of the worker that takes longest;
        - 'transfer_seconds': transfer of data between workers, measured in the same way;
        - 'scheduler_seconds': the rest of 'seconds', which is the work of the scheduler and the client.

    See Also
    --------
    skmlp.MLPDigitClassifier : The same classifier for data in memory; it also predicts for dask arrays.
    skmlp.dask.read_idx : Dask array of an IDX file.

    Notes
    -----
    The blocks should have similar sizes. One to four blocks per worker are suitable, and one block per worker for
    ``mode='exact'``, in which each batch needs a task for each block and this process stores a permutation of all
    samples. `fit`, `partial_fit`, `resume`, `score` and the methods of prediction process the blocks on the workers;
    the other methods load dask arrays into memory.

    ``solver='lbfgs'`` requires ``mode='exact'``, `batch_norm` requires ``mode='local'``, and early stopping requires
    `X_val`. The exact mode always uses the NumPy kernels. In local mode, ``shuffle='blocks'`` has the effect of True.

    The references for the methods are those of :class:`skmlp.MLPDigitClassifier`.

    Bit-identical results require workers with the same processors and the same versions of the libraries.

    Examples
    --------
    >>> import dask.array as da
    >>> from sklearn.datasets import load_digits
    >>> from skmlp.dask import DaskMLPDigitClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X, y = da.from_array(X, chunks=(600, -1)), da.from_array(y, chunks=600)
    >>> mlp = DaskMLPDigitClassifier(
    ...     (32,), input_scale=1 / 16, learning_rate_init=0.01, max_iter=20, random_state=0
    ... )
    >>> mlp = mlp.set_params(n_iter_no_change=None).fit(X, y)
    >>> mlp.score(X, y) > 0.95
    True
    >>> mlp.predict(X)
    dask.array<predict, shape=(1797,), dtype=int64, chunksize=(600,), chunktype=numpy.ndarray>
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **MLPDigitClassifier._parameter_constraints,
        "client": "no_validation",
        "mode": [StrOptions({"exact", "local"})],
        "local_steps": [Interval(Integral, 1, None, closed="left"), None],
        "timeout": [Interval(Real, 0, None, closed="neither")],
    }
    # The connection to a scheduler cannot be stored.
    _unsaved_parameters: ClassVar[tuple[str, ...]] = ("client",)
    _doc_link_template = DOC_LINK_TEMPLATE.replace("skmlp.{", "skmlp.dask.{")

    @inherit_parameters
    def __init__(
        self,
        *args: Any,
        client: Any = None,
        mode: Mode = "local",
        local_steps: int | None = None,
        timeout: float = 600.0,
        **parameters: Any,
    ) -> None:
        super().__init__(*args, **parameters)
        self.client = client
        self.mode = mode
        self.local_steps = local_steps
        self.timeout = timeout

    def to_local(self) -> MLPDigitClassifier:
        """Return an MLPDigitClassifier with the same parameters and fitted attributes.

        It can be saved by :func:`skmlp.save_model`, exported, and trained further on data in memory.

        Returns
        -------
        mlp : MLPDigitClassifier
            Classifier that shares no arrays with this one.

        Examples
        --------
        >>> import dask.array as da
        >>> from sklearn.datasets import load_digits
        >>> from skmlp.dask import DaskMLPDigitClassifier
        >>> X, y = load_digits(return_X_y=True)
        >>> mlp = DaskMLPDigitClassifier(
        ...     input_scale=1 / 16, max_iter=5, n_iter_no_change=None, random_state=0
        ... )
        >>> mlp = mlp.fit(da.from_array(X, chunks=(900, -1)), y)
        >>> bool((mlp.to_local().predict(X) == mlp.predict(X)).all())
        True
        """
        state = deepcopy(self.__getstate__())
        local = MLPDigitClassifier()
        for name in self.get_params().keys() - local.get_params().keys():
            del state[name]
        local.__setstate__(state)
        return local

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the accuracy on labeled samples.

        Parameters
        ----------
        X : dask array or dask DataFrame, or array-like, of shape (n_samples, n_features)
            Samples.
        y : dask array or array-like of shape (n_samples,) or (n_samples, n_labels)
            True labels.
        sample_weight : dask array or array-like of shape (n_samples,), default=None
            Weight of each sample.

        Returns
        -------
        accuracy : float
            Fraction of the samples whose label, or set of labels, is predicted correctly.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If an argument is invalid.
        """
        if not is_dask_collection(X):
            return super().score(X, y, sample_weight)
        return score_blocks(self, connect(self.client, self.timeout), X, y, sample_weight)

    @classmethod
    def resume(
        cls,
        path: PathLike,
        X: SamplesLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: SamplesLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
        callbacks: Sequence[Any] = (),
        expected_parameters: Mapping[str, Any] | None = None,
        client: Any = None,
    ) -> Self:
        """Resume interrupted training from a checkpoint and complete it, on the same or on another cluster.

        Parameters
        ----------
        path : str or Path
            File written by :class:`skmlp.callbacks.Checkpoint`.
        X : dask array or dask DataFrame of shape (n_samples, n_features)
            Training samples, divided into the same blocks as in `fit`.
        y : dask array or array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels of the training samples.
        sample_weight : dask array or array-like of shape (n_samples,), default=None
            Weight of each training sample.
        X_val : dask array or dask DataFrame of shape (n_validation_samples, n_features), default=None
            Validation set.
        y_val : dask array or array-like of shape (n_validation_samples,), default=None
            Labels of `X_val`.
        sample_weight_val : dask array or array-like of shape (n_validation_samples,), default=None
            Sample weights of `X_val`.
        callbacks : sequence of callbacks, default=()
            Callbacks for the remaining epochs.
        expected_parameters : dict, default=None
            Constructor parameters, by name, that the checkpointed classifier must have.
        client : distributed.Client, default=None
            Client of the cluster. None means the current client or the local scheduler.

        Returns
        -------
        mlp : DaskMLPDigitClassifier
            The fitted classifier, with the parameter `client`.

        Raises
        ------
        CheckpointError
            If the checkpoint is incomplete or was written by another version of skmlp, or if data, their division into
            blocks, or parameters differ from those of the checkpoint.
        FileNotFoundError
            If there is no checkpoint.
        ClusterError
            If the cluster cannot complete the training.
        NonFiniteLossError
            If the loss or a weight becomes NaN or infinite.
        """
        with nullcontext() if client is None else client.as_current():
            mlp = super().resume(
                path,
                X,
                y,
                sample_weight,
                X_val=X_val,
                y_val=y_val,
                sample_weight_val=sample_weight_val,
                callbacks=callbacks,
                expected_parameters=expected_parameters,
            )
        mlp.client = client
        return mlp

    def _make_plan(self, arguments, start):
        return make_cluster_plan(self, arguments, start)

    # The interface of a scikit-learn estimator

    def __sklearn_clone__(self) -> Self:
        # A Client cannot be copied.
        twin = object.__new__(type(self))
        twin.__dict__.update(vars(self) | {"client": None})
        copy = super(DaskMLPDigitClassifier, twin).__sklearn_clone__()
        copy.client = self.client
        return copy

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"client": None}
