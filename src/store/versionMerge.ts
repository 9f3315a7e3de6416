import { compareKeys } from "./keys.ts";
import type { Version } from "./levelTable.ts";

interface Source {
  readonly rest: Iterator<Version>;
  current: Version;
}

/**
 * Merges sorted sources of versions into one sorted sequence with the newest version of each key, removed keys left
 * out. Holds one version per source.
 */
export function* mergeVersions(sources: Iterable<Iterable<Version>>): Generator<Version, undefined> {
  const heap: Source[] = [];
  for (const source of sources) {
    const rest = source[Symbol.iterator]();
    const first = rest.next();
    if (!first.done) push(heap, { rest, current: first.value });
  }
  let last: Uint8Array | undefined;
  while (heap.length > 0) {
    const top = heap[0]!;
    const version = top.current;
    const next = top.rest.next();
    if (next.done) {
      const moved = heap.pop()!;
      if (heap.length > 0) heap[0] = moved;
    } else top.current = next.value;
    sink(heap);
    if (last !== undefined && compareKeys(last, version.key) === 0) continue;
    last = version.key;
    if (version.value !== undefined) yield version;
  }
}

/** By key, and of one key the newest first. */
export function compareVersions(a: Version, b: Version): number {
  return compareKeys(a.key, b.key) || b.sequence - a.sequence;
}

function push(heap: Source[], source: Source): void {
  let at = heap.push(source) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (compareVersions(heap[parent]!.current, heap[at]!.current) <= 0) return;
    [heap[parent], heap[at]] = [heap[at]!, heap[parent]!];
    at = parent;
  }
}

/** Lets the top of the heap down to its place. */
function sink(heap: Source[]): void {
  let at = 0;
  for (;;) {
    let least = at;
    for (const child of [2 * at + 1, 2 * at + 2]) {
      if (child < heap.length && compareVersions(heap[child]!.current, heap[least]!.current) < 0)
        least = child;
    }
    if (least === at) return;
    [heap[at], heap[least]] = [heap[least]!, heap[at]!];
    at = least;
  }
}
