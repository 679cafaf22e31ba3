import { fstatSync } from 'node:fs'
import { destination } from 'pino'
import type { Clock } from '../lib/clock.ts'
import { isoInstant } from '../lib/instant.ts'

/** Standard output, for whole lines. Writing never waits for who reads them. */
export interface LineOutput {
  /** @param line with its newline */
  write(line: string): void
  /** Hands on at once what was gathered. */
  handOn(): void
  /**
   * For the last moments of a process: resolves when the reader has taken all, or has not for a second.
   *
   * @returns how many lines it never took
   */
  end(): Promise<number>
}

/**
 * Lines are gathered so that a busy server does not pay a system call for each. A `kill -9` can cost the last tenth of
 * a second of log; what must not be lost is in the store's audit trail, not here.
 */
const BUFFERED_CHARACTERS = 65_536
const FLUSH_MS = 100
/** What waits for a reader that stands still, or went away, at most (KF-F23). Lines beyond that are lost, and counted. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024
/** A reader that takes nothing for so long will not do so because the process waits any longer (KF-E14). */
const LAST_WORDS_MS = 1_000

/** How text gets out of the process. */
interface Way {
  /** @param lines how many would be lost with it. @returns false when too much is waiting already */
  send(text: string, lines: number): boolean
  /** Lines that were sent and did not arrive, since this was asked last. */
  lost(): number
  /** Lines that are on their way. Resolves after `ms` at the latest. */
  arrived(ms: number): Promise<number>
}

export function standardOutput(clock: Clock): LineOutput {
  const way = isRead() ? toReader(clock) : toFile()
  let lines: string[] = []
  let gathered = 0
  let lost = 0
  const handOn = (): void => {
    lost += way.lost()
    if (gathered > 0) {
      // Where lines are missing, one says so, before any other.
      if (lost > 0 && way.send(lossLine(lost, clock), lost)) lost = 0
      if (lost > 0 || !way.send(lines.join(''), lines.length)) lost += lines.length
    }
    lines = []
    gathered = 0
  }
  return {
    handOn,
    write(line) {
      if (gathered === 0) void clock.sleep(FLUSH_MS).then(handOn)
      lines.push(line)
      gathered += line.length
      if (gathered >= BUFFERED_CHARACTERS) handOn()
    },
    async end() {
      handOn()
      const underWay = await way.arrived(LAST_WORDS_MS)
      return underWay + lost + way.lost()
    },
  }
}

/** Whether somebody else has to take what we write before there is room for more. */
function isRead(): boolean {
  const kind = fstatSync(1)
  return process.platform !== 'win32' && (kind.isFIFO() || kind.isSocket())
}

/**
 * A pipe or a socket. `process.stdout` never blocks on one; a thread that did, because the reader stands still, could
 * not be ended, and neither could the process.
 */
function toReader(clock: Clock): Way {
  const out = process.stdout
  // A reader that went away must not take the server with it; there is nowhere left to tell.
  out.on('error', () => {})
  let underWay = 0
  let lost = 0
  return {
    send(text, lines) {
      const bytes = Buffer.from(text)
      if (out.writableLength + bytes.length > MAX_WAITING_BYTES) return false
      underWay += lines
      out.write(bytes, (error) => {
        underWay -= lines
        if (error) lost += lines
      })
      return true
    },
    lost() {
      const count = lost
      lost = 0
      return count
    },
    async arrived(ms) {
      const all = new Promise<void>((resolve) => void out.write('', () => resolve()))
      await Promise.race([all, clock.sleep(ms)])
      return underWay
    },
  }
}

/** A file or a terminal, by way of pino's destination, which writes on a thread of the pool. */
function toFile(): Way {
  const out = destination({ dest: 1, sync: false, minLength: 0, maxLength: MAX_WAITING_BYTES })
  // A disk that is full must not take the server with it.
  out.on('error', () => {})
  let wasDropped = false
  out.on('drop', () => {
    wasDropped = true
  })
  return {
    send(text) {
      wasDropped = false
      out.write(text)
      return !wasDropped
    },
    lost: () => 0,
    async arrived() {
      try {
        out.flushSync()
      } catch {
        // Not open yet, or closed: nothing can be written any more.
      }
      return 0
    },
  }
}

function lossLine(lines: number, clock: Clock): string {
  return `{"level":"warn","time":"${isoInstant(clock.now())}","event":"log.lost","lines":${lines}}\n`
}
