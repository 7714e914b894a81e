// Work on many things, some of them at once: what waits for far places waits for several answers together.

/**
 * @param atOnce how many are under way together; memory for their results is the caller's matter
 * @returns the results in the order of the items
 * @throws the first failure in the order of the items, once nothing is under way any more; none is begun behind one that failed
 */
export async function mapAtOnce<T, R>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: PromiseSettledResult<R>[] = [];
  let next = 0;
  let hasFailed = false;
  const lane = async () => {
    while (next < items.length && !hasFailed) {
      const at = next++;
      const [result] = await Promise.allSettled([work(items[at]!)]);
      results[at] = result;
      hasFailed ||= result.status === 'rejected';
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
