"""How well types can be told from features of pictures, by a linear classifier.

Alain & Bengio 2016 call it a linear probe. All features go through the same: standardised, reduced
to the same number of principal components, and classified by a logistic regression.
Pictures are held out by families: no relative of a held-out picture has been seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pokegan.compute.randomness import Streams
from pokegan.core.errors import PipelineError

FOLDS = 5
# The penalty's strength is chosen in each fold, without its held-out pictures.
INNER_FOLDS, STRENGTHS = 3, 10.0 ** np.arange(-2, 3)
COMPONENTS = 64
WATER = "Water"

Scores = dict[str, float]


@dataclass(frozen=True)
class Task:
    """N pictures whose types are to be told: their ROWS in the data set, TYPES and FAMILIES.

    LEFT_OUT are types with too few families to be held out, and their numbers of pictures;
    UNLABELLED is how many pictures have no type.
    """

    rows: np.ndarray  # (N,) int
    types: np.ndarray  # (N,) str
    families: np.ndarray  # (N,) int
    left_out: dict[str, int]
    unlabelled: int

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def is_possible(self) -> bool:
        """Whether there are types to be told apart."""
        return len(set(self.types)) > 1

    @property
    def facts(self) -> dict[str, int]:
        """Numbers of what is classified, and of what is not."""
        return {
            "pictures": len(self),
            "types": len(set(self.types)),
            "families": len(set(self.families)),
            "folds": FOLDS,
            "pictures_of_rare_types": sum(self.left_out.values()),
            "pictures_without_type": self.unlabelled,
        }


def read_labels(file: Path, count: int) -> pd.DataFrame:
    """first_type and family of the COUNT pictures of a data set, from FILE; NA where unknown.

    Raises:
        PipelineError: FILE is missing, broken, or of another data set.
    """
    kinds = {"row": "Int64", "first_type": "string", "family": "Int64"}
    try:
        labels = pd.read_csv(file, usecols=list(kinds), dtype=kinds)
    except FileNotFoundError as fault:
        raise PipelineError(
            f"{file} is missing; run `dvc repro`, which makes what a stage needs before it, "
            "or fetch it with `dvc pull`."
        ) from fault
    except (ValueError, OSError) as fault:
        raise PipelineError(
            f"{file} holds no labels ({fault}); delete it and run `dvc repro`."
        ) from fault
    if labels["row"].tolist() != list(range(count)):
        raise PipelineError(
            f"{file} is not of the same {count} pictures; delete it and run `dvc repro`."
        )
    return labels


def make_task(labels: pd.DataFrame) -> Task:
    """The task of telling the first type, of the pictures with LABELS.

    Types that have fewer families than there are folds are left out.
    """
    known = labels[labels["first_type"].notna()]
    families = known.groupby("first_type")["family"].nunique()
    rare = known["first_type"].isin(families[families < FOLDS].index)
    kept = known[~rare]
    return Task(
        kept.index.to_numpy(),
        kept["first_type"].to_numpy(dtype=str),
        kept["family"].to_numpy(dtype=int),
        {
            str(name): int(number)
            for name, number in known[rare]["first_type"].value_counts().items()
        },
        len(labels) - len(known),
    )


def linear_probe(features: np.ndarray, task: Task, seed: int) -> tuple[list[Scores], np.ndarray]:
    """What a linear classifier makes of FEATURES (N, D) of TASK's pictures.

    The scores of each fold, and what it said of each picture while that was held out (N,).
    accuracy: the share of pictures whose type is told; balanced_accuracy: the mean of that share
    over types; water_auc: the area under the ROC curve of water against all others (0.5: a coin),
    if each part that is held out has both. SEED decides the folds, the same for all features.
    """
    randomness = Streams(seed).seed("components of features") % 2**32
    parts = split(task, seed)
    water = task.types == WATER
    asked = all(0 < water[held_out].sum() < len(held_out) for _, held_out in parts)
    folds, guesses = [], np.empty_like(task.types)
    for train, held_out in parts:
        components = min(COMPONENTS, features.shape[1], len(train))
        reduction = make_pipeline(StandardScaler(), PCA(components, random_state=randomness))
        seen = reduction.fit_transform(features[train])
        # All features vary as much in all: a penalty's strength means the same for each kind.
        scale = np.linalg.norm(seen.std(axis=0)) or 1
        seen, unseen = seen / scale, reduction.transform(features[held_out]) / scale
        families = task.families[train]
        classifier = fitted(seen, task.types[train], families, "accuracy")
        guesses[held_out] = classifier.predict(unseen)
        found = told(task.types[held_out], guesses[held_out])
        if asked:
            certainty = fitted(seen, water[train], families, "roc_auc").decision_function(unseen)
            found["water_auc"] = float(roc_auc_score(water[held_out], certainty))
        folds.append(found)
    return folds, guesses


def always_the_commonest(task: Task, seed: int) -> tuple[list[Scores], str]:
    """The scores of a guesser that knows no picture, on the same folds, and what it says."""
    names, counts = np.unique(task.types, return_counts=True)
    commonest = str(names[counts.argmax()])
    folds = [
        told(task.types[held_out], np.full(len(held_out), commonest))
        for _, held_out in split(task, seed)
    ]
    return folds, commonest


def split(task: Task, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pictures to learn from and pictures held out, FOLDS times; a family is on one side."""
    randomness = Streams(seed).seed("folds of families") % 2**32
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=randomness)
    return list(folds.split(task.types, task.types, task.families))


def fitted(
    features: np.ndarray, labels: np.ndarray, families: np.ndarray, scoring: str
) -> GridSearchCV:
    """A logistic regression whose penalty does best by SCORING on held-out FAMILIES."""
    search = GridSearchCV(
        LogisticRegression(max_iter=2000),
        {"C": STRENGTHS},
        scoring=scoring,
        cv=StratifiedGroupKFold(INNER_FOLDS),
        error_score="raise",
    )
    return search.fit(features, labels, groups=families)


def told(types: np.ndarray, guesses: np.ndarray) -> Scores:
    """Accuracy of GUESSES (N,), and its mean over those of TYPES (N,) that are there."""
    there = np.unique(types)
    return {
        "accuracy": float(accuracy_score(types, guesses)),
        "balanced_accuracy": float(recall_score(types, guesses, labels=there, average="macro")),
    }


def summary(kind: str, folds: list[Scores]) -> Scores:
    """``<kind>_<score>`` and ``…_spread``: each score's mean and standard deviation over FOLDS.

    Four digits, more than they are worth.
    """
    return {
        f"{kind}_{score}{suffix}": round(float(of([fold[score] for fold in folds])), 4)
        for score in folds[0]
        for suffix, of in (("", np.mean), ("_spread", lambda values: np.std(values, ddof=1)))
    }
