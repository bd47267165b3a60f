// SPDX-License-Identifier: Apache-2.0

/** Works on all items, on at most `count` at a time. Results in the order of the items. `work` does not reject for an item's sake. */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  count: number,
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = []
  const waiting = items.entries()
  const worker = async (): Promise<void> => {
    for (const [index, item] of waiting) results[index] = await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(count, items.length) }, worker))
  return results
}
