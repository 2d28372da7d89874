"""Linear probes (Alain & Bengio 2016): how well do features of images predict types?

Features are standardized, reduced to the same number of principal components and classified by
logistic regression. Images are held out by families: a classifier is never trained on a relative of
a held-out image.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.decomposition import KernelPCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from pokegan.compute.randomness import Streams
from pokegan.core.errors import PipelineError
from pokegan.core.files import read_table

FOLDS = 5
# The penalty is chosen within each fold, without its held-out images.
INNER_FOLDS, PENALTIES = 3, 10.0 ** np.arange(-2, 3)
COMPONENTS = 64
WATER = "Water"
LABELS = {"row": "Int64", "first_type": "string", "family": "Int64"}

Scores = dict[str, float]


@dataclass(frozen=True)
class Task:
    """Classification of N images by their first type."""

    rows: np.ndarray  # (N,) int, in the data set
    types: np.ndarray  # (N,) str
    families: np.ndarray  # (N,) int
    rare: int  # images of types with too few families, which are left out
    unlabeled: int  # images without a type

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def is_possible(self) -> bool:
        """Whether there are at least two types."""
        return len(set(self.types)) > 1

    @property
    def facts(self) -> dict[str, int]:
        """Numbers of images, types and families, and of the images that are left out."""
        return {
            "pictures": len(self),
            "types": len(set(self.types)),
            "families": len(set(self.families)),
            "folds": FOLDS,
            "pictures_of_rare_types": self.rare,
            "pictures_without_type": self.unlabeled,
        }


def read_labels(path: Path, count: int) -> pd.DataFrame:
    """Read first_type and family of the images of a data set; NA where unknown."""
    labels = read_table(path, LABELS)
    if labels["row"].tolist() != list(range(count)):
        raise PipelineError(
            f"{path} does not label the same {count} pictures; delete it and run `dvc repro`."
        )
    return labels


def make_task(labels: pd.DataFrame) -> Task:
    """Build the task from labels, without types that have fewer families than there are folds."""
    known = labels[labels["first_type"].notna()]
    families = known.groupby("first_type")["family"].nunique()
    rare = known["first_type"].isin(families[families < FOLDS].index)
    used = known[~rare]
    return Task(
        used.index.to_numpy(),
        used["first_type"].to_numpy(dtype=str),
        used["family"].to_numpy(dtype=int),
        int(rare.sum()),
        len(labels) - len(known),
    )


def linear_probe(features: np.ndarray, task: Task, seed: int) -> tuple[list[Scores], np.ndarray]:
    """Cross-validate a linear classifier of types on features (N, D).

    Returns the scores of each fold: accuracy, balanced_accuracy (mean over types), and water_auc,
    the area under the ROC curve of Water against all other types, if each held-out part has both;
    and the prediction (N,) for each image while it was held out.
    """
    parts = split(task, seed)
    water = task.types == WATER
    has_water = all(0 < water[held_out].sum() < len(held_out) for _, held_out in parts)
    folds, predictions = [], np.empty_like(task.types)
    for train, held_out in parts:
        components = min(COMPONENTS, features.shape[1], len(train))
        # With a linear kernel, principal components of fewer images than features.
        reduction = make_pipeline(StandardScaler(), KernelPCA(components))
        x = reduction.fit_transform(features[train])
        # With equal total variance, a penalty has the same strength for all kinds of features.
        scale = np.linalg.norm(x.std(axis=0)) or 1
        x, x_held_out = x / scale, reduction.transform(features[held_out]) / scale
        families = task.families[train]
        classifier = fit_classifier(x, task.types[train], families, "accuracy")
        predictions[held_out] = classifier.predict(x_held_out)
        scores = accuracies(task.types[held_out], predictions[held_out])
        if has_water:
            classifier = fit_classifier(x, water[train], families, "roc_auc")
            decision = classifier.decision_function(x_held_out)
            scores["water_auc"] = float(roc_auc_score(water[held_out], decision))
        folds.append(scores)
    return folds, predictions


def majority_baseline(task: Task, seed: int) -> tuple[list[Scores], str]:
    """Return the scores of always predicting the most common type, on the same folds, and it."""
    names, counts = np.unique(task.types, return_counts=True)
    commonest = str(names[counts.argmax()])
    folds = [
        accuracies(task.types[held_out], np.full(len(held_out), commonest))
        for _, held_out in split(task, seed)
    ]
    return folds, commonest


def split(task: Task, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return rows for training and held-out rows of each fold; a family is on one side."""
    random_state = Streams(seed).seed("folds of families") % 2**32
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=random_state)
    return list(folds.split(task.types, task.types, task.families))


def fit_classifier(
    features: np.ndarray, labels: np.ndarray, families: np.ndarray, scoring: str
) -> GridSearchCV:
    """Fit a logistic regression with the penalty that scores best on held-out families."""
    search = GridSearchCV(
        LogisticRegression(max_iter=2000),
        {"C": PENALTIES},
        scoring=scoring,
        cv=StratifiedGroupKFold(INNER_FOLDS),
        error_score="raise",
    )
    with threadpool_limits(1):  # the matrices are too small for several threads
        return search.fit(features, labels, groups=families)


def accuracies(types: np.ndarray, predictions: np.ndarray) -> Scores:
    """Return the accuracy of predictions (N,), and its mean over the types that occur."""
    recall = recall_score(types, predictions, labels=np.unique(types), average="macro")
    return {
        "accuracy": float(accuracy_score(types, predictions)),
        "balanced_accuracy": float(recall),
    }


def accuracy_by_type(task: Task, predictions: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Return the accuracy for each type, NaN for a type that is not in the task."""
    hits = predictions == task.types
    return np.array(
        [hits[task.types == name].mean() if name in task.types else np.nan for name in names]
    )


def summarize(kind: str, folds: list[Scores]) -> Scores:
    """Return ``<kind>_<score>`` and ``…_spread``: mean and standard deviation over folds."""
    return {
        f"{kind}_{score}{suffix}": round(float(of([fold[score] for fold in folds])), 4)
        for score in folds[0]
        for suffix, of in (("", np.mean), ("_spread", lambda values: np.std(values, ddof=1)))
    }
