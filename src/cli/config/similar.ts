/** The name among `names` that `typed` is most likely a slip of; undefined where none is near. */
export function similarTo(typed: string, names: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const name of names) {
    // A key outside its table is meant by its own name.
    const meant = typed.includes(".") ? name : name.slice(name.lastIndexOf(".") + 1);
    const distance = slips(typed, meant);
    // A third of the name itself: the table, which many share, says nothing.
    if (distance < least && distance * 3 <= lengthOfLast(typed)) [best, least] = [name, distance];
  }
  return best;
}

function lengthOfLast(key: string): number {
  return key.length - key.lastIndexOf(".") - 1;
}

/** Letters to change, add, leave out or swap with the next, to make the one text the other. */
function slips(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      let cost = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + (isSame ? 0 : 1));
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwapped) cost = Math.min(cost, rows[i - 2]![j - 2]! + 1);
      row.push(cost);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
