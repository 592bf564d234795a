"""Small functions that emitted programs carry along when they need them."""

from __future__ import annotations

__all__ = ["PRELUDE"]

TAKE = '''
def take(value, index, dim, event=0, index_event=0, plate=True):
    """`value` indexed along `dim`; whatever else the two have is aligned from the right.

    `event` counts the event axes that `value` keeps, `index_event` those of `index`, which
    come first in the result. With `plate`, `dim` is a batch dimension and leaves a 1 behind.
    """
    if plate:
        value = value.unsqueeze(-1).transpose(-1, dim - 1)
    else:
        value = value.movedim(dim, -1)
    kept = value.shape[value.dim() - 1 - event : -1]
    batch = value.shape[: value.dim() - 1 - event]
    index_batch = index.shape[: index.dim() - index_event]
    own = index.shape[index.dim() - index_event :]
    one = torch.empty(())
    batch = torch.broadcast_tensors(one.expand(batch), one.expand(index_batch))[0].shape
    value = value.reshape(value.shape[: value.dim() - 1 - event] + (1,) * index_event
                          + value.shape[value.dim() - 1 - event :])
    value = value.expand(batch + own + kept + value.shape[-1:])
    index = index.reshape(index.shape + (1,) * (event + 1)).long()
    return value.gather(-1, index.expand(batch + own + kept + (1,))).squeeze(-1)
'''

SPREAD = '''
def spread(value, axis, depth, event):
    """Event axis `axis` (negative) of `value`, which has `event` of them, as the plate `depth`."""
    while value.dim() < depth + event:
        value = value.unsqueeze(0)
    return value.transpose(axis, -(depth + event)).squeeze(axis)
'''

COLLECT = '''
def collect(value, depth, event):
    """The plate at `depth` of `value`, which has `event` event axes, as a new first one."""
    return value.unsqueeze(-event - 1).transpose(-(depth + event + 1), -event - 1)
'''

ONCE = '''
def once(kept, name, compute):
    """`compute()`; or what `kept`, the constants of the data of a fit, has under `name`."""
    if kept is None:
        return compute()
    if name not in kept:
        kept[name] = compute()
    return kept[name]
'''

JOINED = '''
def joined(*values, event):
    """`values` one after the other along the first of their `event` event axes."""
    lead = (torch.empty(()).expand(v.shape[: v.dim() - event]) for v in values)
    batch = torch.broadcast_tensors(*lead)[0].shape
    return torch.cat([v.expand(batch + v.shape[v.dim() - event :]) for v in values], -event)
'''

LAGGED = '''
def lagged(value, steps, dim):
    """`value` some steps earlier along `dim`; NaN before the first."""
    start = torch.full_like(value.narrow(dim, 0, min(steps, value.shape[dim])), math.nan)
    return torch.cat([start, value.narrow(dim, 0, max(value.shape[dim] - steps, 0))], dim)
'''

EARLIER = '''
def earlier(value, steps, dim):
    """`value` some steps earlier along `dim`; the first one for the steps before it."""
    steps = torch.clamp(torch.arange(value.shape[dim]) - steps, min=0)
    return value.index_select(dim, steps)
'''

IN_ORDER = '''
def in_order(steps, dim):
    """Values of successive steps, of size 1 along `dim`, as one tensor."""
    wide = torch.broadcast_tensors(torch.empty((1,) * -dim), *steps)
    return torch.cat(wide[1:], dim)
'''

KNOWN_ENTRIES = '''
def known_entries(value, known, tied=0):
    """Which entries of `value` are known, of its shape; the last `tied` axes are one entry."""
    if not torch.is_tensor(known):
        return torch.ones_like(value, dtype=torch.bool)
    return known[(...,) + (None,) * tied].expand(value.shape)
'''

COMPLETE = '''
def complete(value):
    """A value of which all entries are known, as networks take those with gaps."""
    return value, torch.ones_like(value, dtype=torch.bool)
'''

ALL_KNOWN = '''
def all_known(known, event, lead):
    """Whether all of `event` axes are known, with `lead` new axes in their place."""
    for _ in range(event):
        known = known.all(-1)
    return known[(...,) + (None,) * lead]
'''

SOME_KNOWN = '''
def some_known(known, event, lead):
    """Whether any entry of `event` axes is known, with `lead` new axes in their place."""
    for _ in range(event):
        known = known.any(-1)
    return known[(...,) + (None,) * lead]
'''

PRELUDE = {
    "all_known": ALL_KNOWN,
    "collect": COLLECT,
    "complete": COMPLETE,
    "earlier": EARLIER,
    "in_order": IN_ORDER,
    "joined": JOINED,
    "known_entries": KNOWN_ENTRIES,
    "once": ONCE,
    "lagged": LAGGED,
    "some_known": SOME_KNOWN,
    "spread": SPREAD,
    "take": TAKE,
}
"""Source text of each, by name; they need torch and math."""
