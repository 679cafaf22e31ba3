import { checkInstallation, type Finding } from '../app/check-installation.ts'
import { homeAt } from '../app/home.ts'
import type { Command } from './command.ts'

const MARKS: Readonly<Record<Finding['level'], string>> = {
  ok: 'ok   ',
  note: 'note ',
  warning: 'WARN ',
  error: 'ERROR',
}

export const command: Command = {
  details:
    'Changes nothing, and works while the server runs. Exit code 1 when something is wrong, 0 when there are at most warnings.',
  run: async (context) => {
    const config = await context.config()
    const findings = await checkInstallation({
      home: homeAt(context.homePath),
      config,
      clock: context.clock,
      random: context.random,
    })
    context.out(`ok     configuration  ${config.file ?? 'no file: defaults and --set only'}`)
    for (const { level, about, detail } of findings) context.out(`${MARKS[level]}  ${about.padEnd(13)}  ${detail}`)
    return findings.some(({ level }) => level === 'error') ? 1 : 0
  },
}
