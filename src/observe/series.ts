import type { Labels } from './metrics.ts'

/** A value as it is scraped; `metricName` where it is not the name of the metric. */
export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
  readonly metricName?: string
}

/** The cells of one metric, one for each set of label values that was used, found by those values in one string. */
class Cells<Cell> {
  readonly #names: readonly string[]
  readonly #make: () => Cell
  readonly #cells = new Map<string, { readonly labels: Labels; readonly cell: Cell }>()

  constructor(names: readonly string[], make: () => Cell) {
    this.#names = names
    this.#make = make
    // Without labels there is one cell, and it can be scraped before it was used.
    if (names.length === 0) this.at({})
  }

  /** @throws {TypeError} at the first use of labels that the metric does not have */
  at(labels: Labels): Cell {
    let key = ''
    for (const name of this.#names) key = key === '' ? `${labels[name]}` : `${key}\0${labels[name]}`
    return this.#cells.get(key)?.cell ?? this.#added(key, labels)
  }

  /** In the order of first use. */
  all(): readonly { readonly labels: Labels; readonly cell: Cell }[] {
    return [...this.#cells.values()]
  }

  #added(key: string, labels: Labels): Cell {
    const unknown = Object.keys(labels).filter((name) => !this.#names.includes(name))
    if (unknown.length > 0) throw new TypeError(`the metric has no label ${unknown.join(', ')}`)
    const cell = this.#make()
    this.#cells.set(key, { labels: { ...labels }, cell })
    return cell
  }
}

/** A counter or a gauge. */
export class Values {
  readonly #cells: Cells<{ value: number }>

  constructor(labelNames: readonly string[]) {
    this.#cells = new Cells(labelNames, () => ({ value: 0 }))
  }

  /** @throws {TypeError} unless `by` is a number of 0 or more */
  count(labels: Labels, by: number): void {
    if (!(by >= 0)) throw new TypeError(`a counter cannot be counted up by ${by}`)
    this.#cells.at(labels).value += by
  }

  set(labels: Labels, value: number): void {
    this.#cells.at(labels).value = value
  }

  samples(): Sample[] {
    return this.#cells.all().map(({ labels, cell }) => ({ labels, value: cell.value }))
  }
}

/** A histogram: how many observations were at most as large as each bound, how many there were, and their sum. */
export class Distribution {
  readonly #name: string
  readonly #bounds: readonly number[]
  readonly #cells: Cells<{ readonly counts: number[]; sum: number }>

  /** @param bounds of the buckets, rising; what is beyond the last is counted too */
  constructor(name: string, labelNames: readonly string[], bounds: readonly number[]) {
    this.#name = name
    this.#bounds = bounds
    this.#cells = new Cells(labelNames, () => ({ counts: new Array<number>(bounds.length + 1).fill(0), sum: 0 }))
  }

  /** @throws {TypeError} unless it is a finite number */
  observe(labels: Labels, value: number): void {
    if (!Number.isFinite(value)) throw new TypeError(`a histogram cannot observe ${value}`)
    const cell = this.#cells.at(labels)
    let bucket = 0
    while (value > (this.#bounds[bucket] ?? Number.POSITIVE_INFINITY)) bucket++
    cell.counts[bucket] = (cell.counts[bucket] ?? 0) + 1
    cell.sum += value
  }

  /** Each bucket holds those below it too, as scrapers expect. */
  samples(): Sample[] {
    return this.#cells.all().flatMap(({ labels, cell }) => {
      let count = 0
      const buckets = cell.counts.map((inBucket, index): Sample => {
        count += inBucket
        const le = this.#bounds[index] ?? '+Inf'
        return { metricName: `${this.#name}_bucket`, labels: { le, ...labels }, value: count }
      })
      return [
        ...buckets,
        { metricName: `${this.#name}_sum`, labels, value: cell.sum },
        { metricName: `${this.#name}_count`, labels, value: count },
      ]
    })
  }
}
