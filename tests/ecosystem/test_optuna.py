"""Optuna proposes hyperparameters, and stops networks that are worse than others."""

import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score


def test_trials_are_compared_by_cross_validation(split):
    pytest.importorskip("optuna")
    X_train, X_test, y_train, y_test = split
    # Begin of the documentation: cross-validation
    import optuna
    from sklearn.model_selection import cross_val_score

    from skmlp import MLPDigitClassifier

    def make_network(units, learning_rate_init, dropout):
        return MLPDigitClassifier(
            (units,),
            learning_rate_init=learning_rate_init,
            dropout=dropout,
            learning_rate="one_cycle",
            max_iter=10,
            n_iter_no_change=None,
            input_scale=1 / 16,
            random_state=0,
        )

    def objective(trial):
        network = make_network(
            units=trial.suggest_int("units", 32, 512, log=True),
            learning_rate_init=trial.suggest_float("learning_rate_init", 1e-4, 1e-1, log=True),
            dropout=trial.suggest_float("dropout", 0.0, 0.5),
        )
        return cross_val_score(network, X_train, y_train, cv=3).mean()

    sampler = optuna.samplers.TPESampler(seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=20, catch=ValueError)
    best = make_network(**study.best_params).fit(X_train, y_train)
    # End of the documentation: cross-validation
    assert len(study.trials) == 20
    assert study.best_value == max(trial.value for trial in study.trials) > 0.95
    assert best.score(X_test, y_test) > 0.95


def test_trials_are_pruned_by_their_validation_accuracy(split, mlp):
    pytest.importorskip("optuna")
    X_train, X_val, y_train, y_val = split
    # Begin of the documentation: pruning
    import optuna
    from sklearn.base import clone

    from skmlp.callbacks import OnEpoch

    def objective(trial):
        def report(epoch, metrics):
            trial.report(metrics["val_accuracy"], epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        rate = trial.suggest_float("learning_rate_init", 1e-5, 1e-1, log=True)
        network = clone(mlp).set_params(learning_rate_init=rate).set_callbacks(OnEpoch(report))
        return network.fit(X_train, y_train, X_val=X_val, y_val=y_val).score(X_val, y_val)

    sampler = optuna.samplers.TPESampler(seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=20)
    # End of the documentation: pruning
    pruned = study.get_trials(states=[optuna.trial.TrialState.PRUNED])
    complete = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    assert len(pruned) > 5
    assert len(pruned) + len(complete) == 20
    for trial in complete:
        assert list(trial.intermediate_values) == list(range(1, 11))
        assert trial.intermediate_values[10] == trial.value
    assert all(trial.last_step < 10 for trial in pruned)
    assert max(max(trial.intermediate_values.values()) for trial in pruned) < study.best_value
    assert study.best_value > 0.95


@pytest.mark.filterwarnings("ignore:OptunaSearchCV is experimental")
@pytest.mark.filterwarnings("ignore:`optuna.terminator` module has been deprecated:FutureWarning")
@pytest.mark.parametrize("enable_pruning", [False, True])
def test_search_finds_the_parameters_with_the_best_cross_validation(split, mlp, enable_pruning):
    pytest.importorskip("optuna_integration")
    X_train, X_test, y_train, y_test = split
    # Begin of the documentation: search
    from optuna.distributions import FloatDistribution
    from optuna_integration import OptunaSearchCV

    search = OptunaSearchCV(
        mlp,
        {"learning_rate_init": FloatDistribution(1e-4, 1e-1, log=True)},
        n_trials=5,
        cv=3,
        random_state=0,
    )
    # End of the documentation: search
    search.set_params(enable_pruning=enable_pruning, max_iter=10)
    search.fit(X_train, y_train)
    best = clone(mlp).set_params(**search.best_params_)
    assert search.best_score_ == max(trial.value for trial in search.trials_)
    assert search.best_score_ == pytest.approx(cross_val_score(best, X_train, y_train, cv=3).mean())
    assert search.score(X_test, y_test) == best.fit(X_train, y_train).score(X_test, y_test) > 0.9
