/** As many `?` as there are values in a list. */
export function marks(count: number): string {
  return new Array<string>(count).fill('?').join(', ')
}

/** Few different statements, so that each is prepared once: the number of keys goes up to a power of two. */
export function padKeys(keys: readonly string[]): string[] {
  const size = keys.length <= 1 ? 1 : 2 ** Math.ceil(Math.log2(keys.length))
  return [...keys, ...new Array<string>(size - keys.length).fill(keys.at(-1) ?? '')]
}

/** A statement by the length of its list. Lengths are few (`padKeys`), so each text is put together once. */
export function forCounts(text: (count: number) => string): (count: number) => string {
  const made = new Map<number, string>()
  return (count) => {
    const known = made.get(count) ?? text(count)
    made.set(count, known)
    return known
  }
}
