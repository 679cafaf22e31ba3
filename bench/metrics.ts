/** The sample values of one scrape of the admin listener's `/metrics`. */
export type Metrics = ReadonlyMap<string, number>

/** Scraping resets the event loop delay, so that the next scrape tells of the time in between. */
export async function scrape(adminUrl: string): Promise<Metrics> {
  const response = await fetch(`${adminUrl}/metrics`)
  const samples = new Map<string, number>()
  for (const line of (await response.text()).split('\n')) {
    const cut = line.lastIndexOf(' ')
    if (!line.startsWith('#') && cut > 0) samples.set(line.slice(0, cut), Number(line.slice(cut + 1)))
  }
  return samples
}

/** All samples of one name, whatever their labels, added up. */
export function total(metrics: Metrics, name: string): number {
  let sum = 0
  for (const [sample, value] of metrics) if (sample === name || sample.startsWith(`${name}{`)) sum += value
  return sum
}
