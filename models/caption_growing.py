"""Short captions grow by their neighbours until they say and last enough. Plain Python.

The rule is that of the reference code of Miech et al., "HowTo100M" (facts/protocols.md, section 8,
"Caption sampling"); the paper does not mention it.
"""

from collections.abc import Sequence

# "time" puts the words in the order in which they are said; "reference" appends each caption that
# is taken, so that an earlier one's words come after those of a later one.
ORDERS = ("time", "reference")


def grow_caption(
    starts: Sequence[float],
    ends: Sequence[float],
    num_words: Sequence[int],
    index: int,
    *,
    min_words: int,
    min_seconds: float,
    order: str = "time",
) -> list[int]:
    """Returns the captions that one caption becomes, itself among them.

    It takes its neighbours one by one until it has `min_words` words and lasts `min_seconds`, or no
    neighbour is left. Between two neighbours it takes the one that makes the shorter clip, the
    previous one if both are equal; where no time is asked for, the one with more words, again the
    previous one of equals. Its clip is then from the start of the first caption to the end of the
    last: `starts[min(...)]` to `ends[max(...)]`.

    Args:
      starts: start of each of the video's L captions in seconds, in time order.
      ends: end of each caption in seconds.
      num_words: number of words of each caption.
      index: the caption that grows.
      min_words: words to reach; 0 asks for none.
      min_seconds: seconds to reach; 0 asks for none.
      order: "time" or "reference": the order of what is returned (see `ORDERS`).

    Returns:
      Positions in the lists, adjoining ones; the texts joined in this order are the grown caption.

    Raises:
      ValueError: there is no such order.
    """
    if order not in ORDERS:
        raise ValueError(f"the order is {order!r}; it must be 'time' or 'reference'")
    taken = [index]
    first = last = index
    words = num_words[index]
    while words < min_words or ends[last] - starts[first] < min_seconds:
        if first > 0 and last + 1 < len(starts):
            if min_seconds > 0:
                previous = ends[last] - starts[first - 1] <= ends[last + 1] - starts[first]
            else:
                previous = num_words[last + 1] <= num_words[first - 1]
        elif first > 0 or last + 1 < len(starts):
            previous = first > 0
        else:
            break
        if previous:
            first -= 1
        else:
            last += 1
        taken.append(first if previous else last)
        words += num_words[taken[-1]]
    return sorted(taken) if order == "time" else taken
