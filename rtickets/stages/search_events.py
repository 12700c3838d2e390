"""The events of a search: channels die, weights are pruned and come back, tickets are written.

In one event channels die first, then weights are pruned among those that live. The last event of a
run does both, whatever the periods, so that the ticket has the architecture of the end.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from rtickets import masks, training
from rtickets.draw.searching import channels, shrinking
from rtickets.draw.searching.pruning import empty_layers, least_weights, pruned
from rtickets.draw.searching.settings import SearchingConfig
from rtickets.masks import Mask, Params
from rtickets.training import TrainState
from rtickets.training.sparse_scales import SearchState


class Written(NamedTuple):
    """What a prune event leaves.

    Attributes:
        step: number of steps done.
        mask: which weights live.
        params: masked, averages if there are any.
        batch_stats: running statistics that go with them.
        notes: what whoever uses it should know.
    """

    step: int
    mask: Mask
    params: Params
    batch_stats: Any
    notes: list[str]


class SearchEvents(NamedTuple):
    """Events of `rtickets.training.events`.

    Attributes:
        config: their settings.
        every: steps between search events and between prune events, 0 for never.
        costs: multiply-adds of a channel of every path.
        total: multiply-adds of the whole network.
        whole: the mask of the network before.
        activation: of the blocks.
        write: keeps what a prune event leaves.
        say: says a line.
        early: the step after which the whole network is kept, 0 for none.
        write_early: keeps it.
        note: takes a line of `rtickets.storage.event_lines` of every event.
    """

    config: SearchingConfig
    every: tuple[int, int]
    costs: Mapping[str, int]
    total: int
    whole: Mask
    activation: Callable[[Any], Any]
    write: Callable[[Written], None]
    say: Callable[[str], None]
    early: int = 0
    write_early: Callable[[Written], None] | None = None
    note: Callable[[Mapping[str, Any]], None] | None = None

    @property
    def periods(self) -> tuple[int, ...]:
        """Steps between events."""
        return tuple(each for each in self.every if each)

    @property
    def once(self) -> tuple[int, ...]:
        """The early step."""
        return (self.early,) if self.early else ()

    def start(self, params: Params) -> SearchState:
        """Return what a search begins with."""
        alive, rho = channels.all_alive(params), self.config.penalty
        return SearchState(self._weights(rho, alive, alive), alive, np.asarray(rho, np.float32))

    def happen(
        self, step: int, last: int, state: TrainState, mask: Mask
    ) -> tuple[TrainState, Mask]:
        """Let what is due happen."""
        ends, notes = step == last, list[str]()
        shrinks, prunes = (bool(every) and (ends or step % every == 0) for every in self.every)
        if step == self.early and self.write_early is not None:
            self.write_early(Written(step, self.whole, state.params, state.batch_stats, []))
        if shrinks:
            state, mask, notes = self._shrink(state, mask, last=ends)
            notes += self._extremes(state.search.alive) if ends else []
        if prunes:
            mask = self._prune(step, self._prunings(step), state, notes)
            if self.config.reactivation == "explicit" and not ends:
                mask = channels.mask_of(state.params, state.search.alive, self.whole)
        elif ends:
            self._keep(step, state, mask, notes)
        if self.note is not None and (shrinks or prunes):
            self.note(self._line(step, last, state.search, shrinks=shrinks, prunes=prunes))
        return state, mask

    def _prunings(self, step: int) -> int:
        return -(-step // self.every[1])

    def _line(
        self, step: int, last: int, search: SearchState, *, shrinks: bool, prunes: bool
    ) -> dict[str, Any]:
        alive = search.alive
        number = [sum(int(e.sum()) for e in alive.values()), sum(e.size for e in alive.values())]
        happened = {"search": shrinks, "prune": prunes}
        line = {
            "step": step,
            "last_step": last,
            "events": [name for name, did in happened.items() if did],
            "channels": number,
            "multiply_adds": self.multiply_adds(alive),
            "penalty": float(search.rho),
        }
        sparsity = self.config.sparsity_at(self._prunings(step)) if prunes else None
        return line if sparsity is None else {**line, "sparsity": sparsity}

    def multiply_adds(self, alive: channels.Alive) -> int:
        """Return those of the network with these channels."""
        dead = sum(self.costs[path] * int((~each).sum()) for path, each in alive.items())
        return self.total - dead

    def _weights(self, rho: float, alive: Any, counted: Any) -> dict[str, np.ndarray]:
        equal = self.config.penalty_by == "equal"
        return channels.penalty_weights(rho, self.costs, alive, counted, equal=equal)

    def _shrink(
        self, state: TrainState, mask: Mask, *, last: bool
    ) -> tuple[TrainState, Mask, list[str]]:
        alive, (after, notes) = state.search.alive, self._after(state, last=last)
        search = self._moved(state.search, after)
        if not any((alive[path] & ~each).any() for path, each in after.items()):
            return state._replace(search=search), mask, notes
        state = _without(state, mask, alive, after, self.activation)
        state = state._replace(search=search)
        living = channels.mask_of(state.params, after, self.whole)
        both = jax.tree.map(np.logical_and, mask, living)
        if self.config.reactivation == "on_shrink":
            both = _reopened(state.params, both, living)
        return state, both, notes

    def _after(self, state: TrainState, *, last: bool) -> tuple[dict[str, np.ndarray], list[str]]:
        """Return the channels that live on, and what to say of it."""
        config, alive = self.config, state.search.alive
        now, average = (
            {path: np.asarray(masks.leaf_paths(params)[path]) for path in alive}
            for params in (state.params, training.selected(state)[0])
        )
        after = shrinking.alive_after(now, average, alive, config.threshold, last=last)
        by_average = shrinking.alive_after(average, average, alive, config.threshold)
        if not last and shrinking.freed(alive, by_average, self.costs) < max(config.least_freed, 1):
            return dict(alive), []
        if not last or config.budget is None:
            return after, []
        excess = self.multiply_adds(after) - config.budget
        fits = shrinking.within_budget(average, after, self.costs, excess)
        forced = [np.abs(average[path])[each & ~fits[path]] for path, each in after.items()]
        if not (number := sum(map(len, forced))):
            return fits, []
        largest = max(float(each.max()) for each in forced if len(each))
        note = (
            f"{number:,} channels with scales up to {largest:.3g} (threshold={config.threshold}) "
            f"were removed to meet budget={config.budget:,}; raise searching.penalty, "
            "searching.urgency or the duration"
        )
        return fits, [note]

    def _extremes(self, alive: channels.Alive) -> Iterator[str]:
        """Yield what to say where a search has left no channel, or freed none."""
        config = self.config
        left, total = sum(int(e.sum()) for e in alive.values()), sum(e.size for e in alive.values())
        if left == 0:
            yield (
                f"none of {total:,} searchable channels lives; lower searching.penalty, "
                f"{config.penalty}, or searching.threshold, {config.threshold}"
            )
        elif left == total and config.penalty > 0:
            yield (
                f"none of {total:,} searchable channels died, no scale fell below threshold="
                f"{config.threshold}; set another searching.penalty than {config.penalty}, let "
                "scales learn faster (train.optimizer.learning_rate_factors), or search longer"
            )

    def _moved(self, search: SearchState, after: dict[str, np.ndarray]) -> SearchState:
        """Return what the search goes by after an event: other weights by budget and costs."""
        config, factor = self.config, 1.0
        if config.budget is not None:
            factor = config.urgency if self.multiply_adds(after) > config.budget else 0.0
        rho = np.asarray(factor * search.rho, np.float32)
        if config.refresh:
            return SearchState(self._weights(float(rho), after, after), after, rho)
        weights = {p: np.float32(factor) * search.weights[p] * live for p, live in after.items()}
        return SearchState(weights, after, rho)

    def _prune(self, step: int, event: int, state: TrainState, notes: list[str]) -> Mask:
        living = channels.mask_of(state.params, state.search.alive, self.whole)
        sparsity, floor = self.config.sparsity_at(event), self.config.floor
        mask = pruned(state.params, living, sparsity, floor)
        if empty := empty_layers(mask, living):
            more = f", nor of {len(empty) - 3} other layers" if len(empty) > 3 else ""
            notes.append(
                f"no weight of {', '.join(empty[:3])} lives at sparsity {sparsity}{more}; give "
                "searching.floor"
            )
        if not least_weights(living, sparsity, floor)[2]:
            notes.append(
                f"floor={floor} of every layer, rounded up, is more than sparsity {sparsity} "
                "leaves; it is rounded down"
            )
        self._keep(step, state, mask, notes)
        return mask

    def _keep(self, step: int, state: TrainState, mask: Mask, notes: list[str]) -> None:
        notes = [f"step {step}: {note}" for note in notes]
        for note in notes:
            self.say(note)
        params, batch_stats = training.selected(state)
        self.write(Written(step, mask, masks.apply(mask, params), batch_stats, notes))


def _without(
    state: TrainState, mask: Mask, alive: Any, after: Any, activation: Callable[[Any], Any]
) -> TrainState:
    """Return the state without channels: 0 where they were, constants taken out of statistics."""

    def statistics(params: Params, stats: Any) -> Any:
        seen = masks.apply(mask, params)
        return shrinking.without_constants(seen, stats, alive, after, activation)

    params, average = state.params, state.average
    if average is not None:
        average = average._replace(
            params=channels.without_dead(average.params, after),
            batch_stats=statistics(average.params, average.batch_stats),
        )
    return state._replace(
        params=channels.without_dead(params, after),
        batch_stats=statistics(params, state.batch_stats),
        opt_state=_like(params, state.opt_state, after),
        average=average,
    )


def _like(params: Params, opt_state: Any, after: Any) -> Any:
    """Return an optimiser's state without what it remembers of dead channels."""
    structure = jax.tree.structure(params)

    def like_params(node: Any) -> bool:
        found: Any = jax.tree.structure(node)
        return bool(found == structure)

    return jax.tree.map(
        lambda node: channels.without_dead(params, after, node) if like_params(node) else node,
        opt_state,
        is_leaf=like_params,
    )


def _reopened(params: Params, mask: Mask, living: Mask) -> Mask:
    """Return the mask with all weights of living channels of searchable paths alive again."""
    inside = {array for tied in channels.find(params).values() for array in tied.arrays}
    kept, open_to = masks.leaf_paths(mask), masks.leaf_paths(living)
    order = [open_to[path] if path in inside else keep for path, keep in kept.items()]
    return jax.tree.unflatten(jax.tree.structure(mask), order)
