import { fingerprintOf } from '../app/fingerprint.ts'
import { chooseFirstTarget, firstCommands } from '../app/first-steps.ts'
import { nodeVersionProblem } from '../app/node-version.ts'
import { type RunningChancery, startChancery } from '../app/start.ts'
import { createLogger, type ProcessLogger } from '../observe/pino-logger.ts'
import { type Command, type CommandContext, CommandError } from './command.ts'
import { offlineAdvice } from './init.ts'
import { chanceryVersion } from './version.ts'

export const command: Command = {
  details:
    'Logs JSON lines to standard output and words for people to standard error. SIGTERM or SIGINT drains and ends it.',
  run: async (context) => {
    const problem = nodeVersionProblem(process.version)
    if (problem !== undefined) throw new CommandError(problem)
    const config = await context.config()
    const log = createLogger({ level: config.log.level, clock: context.clock })
    guardProcess(log)
    const signal = stopSignal()
    // Also while it starts: that may wait for minutes, for a database or for the schema step of another server.
    void signal.second.then(async () => {
      log.warn('stop.forced')
      await log.end()
      process.exit(1)
    })
    // Noted first: who waits for us to be ready may be gone in the moment in which we say so.
    const parent = process.ppid
    const reloads = reloadSignal(config.policy.file !== undefined)
    try {
      const server = await startChancery({
        config,
        homePath: context.homePath,
        log,
        clock: context.clock,
        random: context.random,
        version: await chanceryVersion(),
      })
      reloads.to(server)
      await greet(context, server)
      const ended = await Promise.race([signal.first, server.failure, parentLost(parent, context)])
      if (ended instanceof Error) log.error('listener.failed', { error: ended })
      await server.stop()
      return ended instanceof Error ? 1 : 0
    } catch (error) {
      log.error('start.failed', { error })
      throw error
    } finally {
      await lastWords(log, context)
    }
  },
}

/** What standard error needs to tell that lines are lost. */
const LAST_SENTENCE_MS = 100

/** A reader of the log that stands still must not keep the process alive, by what is written for it and never read. */
async function lastWords(log: ProcessLogger, { clock, err }: CommandContext): Promise<void> {
  const unread = await log.end()
  if (unread === 0) return
  err(`chancery: up to ${unread} log lines are lost, for nothing reads them from standard output`)
  void clock.sleep(LAST_SENTENCE_MS).then(() => process.exit())
}

/** An error that nobody handled leaves the process in an unknown state: it is logged, and the process ends (KF-F14). */
function guardProcess(log: ProcessLogger): void {
  const die = (event: string) => (error: unknown) => {
    log.error(event, { error })
    void log.end().finally(() => process.exit(1))
  }
  process.on('uncaughtException', die('process.uncaught_exception'))
  process.on('unhandledRejection', die('process.unhandled_rejection'))
}

/** The first signal asks to drain; a second one means at once. */
function stopSignal(): { first: Promise<NodeJS.Signals>; second: Promise<NodeJS.Signals> } {
  const first = Promise.withResolvers<NodeJS.Signals>()
  const second = Promise.withResolvers<NodeJS.Signals>()
  let seen = 0
  const note = (signal: NodeJS.Signals): void => (seen++ === 0 ? first : second).resolve(signal)
  process.on('SIGTERM', note)
  process.on('SIGINT', note)
  return { first: first.promise, second: second.promise }
}

/**
 * SIGHUP reads the policy file again. Where there is none, the signal does what it always does: end the process whose
 * terminal is gone.
 */
function reloadSignal(isWanted: boolean): { to(server: RunningChancery): void } {
  let server: RunningChancery | undefined
  let isPending = false
  if (isWanted) {
    process.on('SIGHUP', () => {
      if (server === undefined) isPending = true
      else void server.policy?.reload()
    })
  }
  return {
    to(started) {
      server = started
      if (isPending) void server.policy?.reload()
    },
  }
}

/** How often the parent is looked for, in milliseconds. */
const PARENT_CHECK_MS = 500

/**
 * Resolves when npm's shell is gone. npm passes a signal on to the shell that it runs scripts in, and many shells die
 * of it without telling their child, which would then go on serving with nobody to stop it (KF-E14).
 */
async function parentLost(parent: number, { clock }: CommandContext): Promise<'parent-lost'> {
  // Started in another way, the parent may go as it likes: that is how daemons are made.
  if (process.env['npm_lifecycle_event'] === undefined) return new Promise(() => {})
  while (process.ppid === parent) await clock.sleep(PARENT_CHECK_MS)
  return 'parent-lost'
}

/** The whole story the first time, where to find things after that. */
async function greet(context: CommandContext, server: RunningChancery): Promise<void> {
  const { config, home, directories } = server
  const directory = directories.find(({ name }) => name === 'default') ?? directories[0]
  if (directory === undefined) return
  const say = (line = ''): void => context.err(line)
  const { fingerprint } = fingerprintOf(server.rootPem)
  say()
  say(`  ACME directory    ${directory.urls.directory}`)
  say(`  Root certificate  ${home.rootPem}   (also ${config.publicHttpUrl}/root.pem)`)
  say(`  SHA-256           ${fingerprint}`)
  say()
  if (!server.isFirstStart) return
  say(`This was the first start: a root and an issuing CA were made in ${home.path}.`)
  for (const line of offlineAdvice(home, true)) say(line)
  say()
  const target = await chooseFirstTarget({ config, policy: directory.policy, at: context.clock.now() })
  const needsRoot = process.platform === 'linux' && process.getuid?.() !== 0
  for (const line of firstCommands({ config, home, target, directoryUrl: directory.urls.directory, needsRoot }))
    say(line)
  say()
}
